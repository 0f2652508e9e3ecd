namespace KestrelEventLoopTransport.Native;

/// <summary>
/// Constants and layouts of FreeBSD 12 and later, the same on x64 and arm64, where they differ from Linux. From the
/// headers of freebsd/freebsd-src, named at each group.
/// </summary>
internal static class FreeBSD
{
    // sys/sys/socket.h
    internal const int AF_INET6 = 28;
    internal const int SOCK_CLOEXEC = 0x10000000;
    internal const int SOCK_NONBLOCK = 0x20000000;
    internal const int SOL_SOCKET = 0xffff;
    internal const int SO_REUSEADDR = 0x0004;
    internal const int SO_KEEPALIVE = 0x0008;
    internal const int SO_BROADCAST = 0x0020;
    internal const int SO_LINGER = 0x0080;
    internal const int SO_REUSEPORT_LB = 0x10000;
    internal const int SO_SNDBUF = 0x1001;
    internal const int SO_RCVBUF = 0x1002;
    internal const int SO_ERROR = 0x1007;
    internal const int SO_TYPE = 0x1008;
    internal const int SO_PROTOCOL = 0x1016;
    internal const int MSG_TRUNC = 0x10;
    internal const int MSG_NOSIGNAL = 0x20000;

    // sys/netinet/in.h
    internal const int IP_TOS = 3;
    internal const int IP_MULTICAST_IF = 9;
    internal const int IP_MULTICAST_TTL = 10;
    internal const int IP_MULTICAST_LOOP = 11;
    internal const int MCAST_JOIN_GROUP = 80;
    internal const int MCAST_LEAVE_GROUP = 81;
    internal const int MCAST_JOIN_SOURCE_GROUP = 82;
    internal const int MCAST_LEAVE_SOURCE_GROUP = 83;

    // sys/netinet6/in6.h
    internal const int IPV6_MULTICAST_IF = 9;
    internal const int IPV6_MULTICAST_HOPS = 10;
    internal const int IPV6_MULTICAST_LOOP = 11;
    internal const int IPV6_V6ONLY = 27;
    internal const int IPV6_TCLASS = 61;

    // sys/netinet/tcp.h
    internal const int TCP_CONGESTION = 64;
    internal const int TCP_KEEPIDLE = 256;
    internal const int TCP_KEEPINTVL = 512;
    internal const int TCP_KEEPCNT = 1024;
    internal const int TCP_FASTOPEN = 1025;

    // sys/sys/fcntl.h
    internal const int O_NONBLOCK = 0x0004;
    internal const int O_CLOEXEC = 0x00100000;
    internal const int F_DUPFD_CLOEXEC = 17;
    internal const int AT_FDCWD = -100;
    internal const int AT_SYMLINK_NOFOLLOW = 0x0200;

    // sys/sys/filio.h
    internal const uint FIONWRITE = 0x40046677;

    // sys/sys/resource.h
    internal const int RLIMIT_NOFILE = 8;

    // sys/sys/event.h: struct kevent, since FreeBSD 12 with ext[4] at its end.
    internal const int KeventSize = 64;
    internal const short EVFILT_USER = -11;

    // sys/sys/stat.h: struct stat, since FreeBSD 12 with 64-bit inode numbers.
    internal const int StatModeOffset = 24;
    internal const int StatDeviceOffset = 0;
    internal const int StatInodeOffset = 8;
    internal const int StatBirthOffset = 96;

    /// <summary>Error numbers that differ from Linux, each before Linux's (<c>sys/sys/errno.h</c>).</summary>
    internal static ReadOnlySpan<int> ErrorNumbers =>
    [
        35, Errno.EAGAIN,
        36, Errno.EINPROGRESS,
        37, Errno.EALREADY,
        38, Errno.ENOTSOCK,
        39, Errno.EDESTADDRREQ,
        40, Errno.EMSGSIZE,
        42, Errno.ENOPROTOOPT,
        43, Errno.EPROTONOSUPPORT,
        45, Errno.EOPNOTSUPP,
        47, Errno.EAFNOSUPPORT,
        48, Errno.EADDRINUSE,
        49, Errno.EADDRNOTAVAIL,
        50, Errno.ENETDOWN,
        51, Errno.ENETUNREACH,
        52, Errno.ENETRESET,
        53, Errno.ECONNABORTED,
        54, Errno.ECONNRESET,
        55, Errno.ENOBUFS,
        57, Errno.ENOTCONN,
        60, Errno.ETIMEDOUT,
        61, Errno.ECONNREFUSED,
        64, Errno.EHOSTDOWN,
        65, Errno.EHOSTUNREACH,
        92, Errno.EPROTO,
    ];
}
