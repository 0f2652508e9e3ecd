namespace KestrelEventLoopTransport.Native;

/// <summary>
/// Constants and layouts of macOS, the same on x64 and arm64, where they differ from Linux. From the headers of
/// apple-oss-distributions/xnu, named at each group.
/// </summary>
internal static class MacOS
{
    // bsd/sys/socket.h
    internal const int AF_INET6 = 30;
    internal const int SOL_SOCKET = 0xffff;
    internal const int SO_REUSEADDR = 0x0004;
    internal const int SO_KEEPALIVE = 0x0008;
    internal const int SO_BROADCAST = 0x0020;
    internal const int SO_LINGER = 0x0080;
    internal const int SO_REUSEPORT = 0x0200;
    internal const int SO_SNDBUF = 0x1001;
    internal const int SO_RCVBUF = 0x1002;
    internal const int SO_ERROR = 0x1007;
    internal const int SO_TYPE = 0x1008;
    internal const int SO_NOSIGPIPE = 0x1022;
    internal const int SO_NWRITE = 0x1024;
    internal const int SO_LINGER_SEC = 0x1080;
    internal const int MSG_TRUNC = 0x10;

    // bsd/netinet/in.h
    internal const int IP_TOS = 3;
    internal const int IP_MULTICAST_IF = 9;
    internal const int IP_MULTICAST_TTL = 10;
    internal const int IP_MULTICAST_LOOP = 11;
    internal const int MCAST_JOIN_GROUP = 80;
    internal const int MCAST_LEAVE_GROUP = 81;
    internal const int MCAST_JOIN_SOURCE_GROUP = 82;
    internal const int MCAST_LEAVE_SOURCE_GROUP = 83;

    // bsd/netinet6/in6.h
    internal const int IPV6_MULTICAST_IF = 9;
    internal const int IPV6_MULTICAST_HOPS = 10;
    internal const int IPV6_MULTICAST_LOOP = 11;
    internal const int IPV6_V6ONLY = 27;
    internal const int IPV6_TCLASS = 36;

    // bsd/netinet/tcp.h. TCP_KEEPALIVE is what others call TCP_KEEPIDLE.
    internal const int TCP_KEEPALIVE = 0x10;
    internal const int TCP_KEEPINTVL = 0x101;
    internal const int TCP_KEEPCNT = 0x102;
    internal const int TCP_NOTSENT_LOWAT = 0x201;

    // bsd/sys/fcntl.h
    internal const int O_NONBLOCK = 0x0004;
    internal const int O_CLOEXEC = 0x01000000;
    internal const int F_DUPFD_CLOEXEC = 67;
    internal const int AT_FDCWD = -2;
    internal const int AT_SYMLINK_NOFOLLOW = 0x0020;

    // bsd/sys/resource.h
    internal const int RLIMIT_NOFILE = 8;

    // bsd/sys/event.h: struct kevent, packed to 4 bytes, which changes nothing with 64-bit pointers.
    internal const int KeventSize = 32;
    internal const short EVFILT_USER = -10;

    // bsd/sys/stat.h: struct stat with 64-bit inode numbers.
    internal const int StatModeOffset = 4;
    internal const int StatDeviceOffset = 0;
    internal const int StatInodeOffset = 8;
    internal const int StatBirthOffset = 80;

    /// <summary>
    /// Error numbers that differ from Linux, each before Linux's (<c>bsd/sys/errno.h</c>). ENOTSUP (45) is what some
    /// calls give in place of EOPNOTSUPP; EPROTOTYPE (41), what a send gives while the connection is torn down, in
    /// place of EPIPE (libuv: <c>src/unix/stream.c</c>).
    /// </summary>
    internal static ReadOnlySpan<int> ErrorNumbers =>
    [
        35, Errno.EAGAIN,
        36, Errno.EINPROGRESS,
        37, Errno.EALREADY,
        38, Errno.ENOTSOCK,
        39, Errno.EDESTADDRREQ,
        40, Errno.EMSGSIZE,
        41, Errno.EPIPE,
        42, Errno.ENOPROTOOPT,
        43, Errno.EPROTONOSUPPORT,
        102, Errno.EOPNOTSUPP,
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
        100, Errno.EPROTO,
    ];
}
