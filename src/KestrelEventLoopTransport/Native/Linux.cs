namespace KestrelEventLoopTransport.Native;

/// <summary>Constants of the Linux user API that are the same on x64 and arm64 (<c>asm-generic</c>).</summary>
internal static class Linux
{
    internal const int AF_INET6 = 10;

    internal const int SOCK_NONBLOCK = 0x800;
    internal const int SOCK_CLOEXEC = 0x80000;

    internal const int SOL_SOCKET = 1;
    internal const int SO_REUSEADDR = 2;
    internal const int SO_TYPE = 3;
    internal const int SO_ERROR = 4;
    internal const int SO_BROADCAST = 6;
    internal const int SO_SNDBUF = 7;
    internal const int SO_RCVBUF = 8;
    internal const int SO_KEEPALIVE = 9;
    internal const int SO_PRIORITY = 12;
    internal const int SO_LINGER = 13;
    internal const int SO_REUSEPORT = 15;
    internal const int SO_BINDTODEVICE = 25;
    internal const int SO_ATTACH_FILTER = 26;
    internal const int SO_GET_FILTER = 26;
    internal const int SO_DETACH_FILTER = 27;
    internal const int SO_PROTOCOL = 38;
    internal const int SO_RXQ_OVFL = 40;
    internal const int SO_BUSY_POLL = 46;
    internal const int SO_INCOMING_CPU = 49;
    internal const int SO_ATTACH_REUSEPORT_CBPF = 51;
    internal const int SO_MEMINFO = 55;
    internal const int SO_DETACH_REUSEPORT_BPF = 68;
    internal const int SOL_UDP = 17;
    internal const int UDP_SEGMENT = 103;
    internal const int UDP_GRO = 104;
    internal const int IP_TOS = 1;
    internal const int IP_PKTINFO = 8;
    internal const int IP_RECVTOS = 13;
    internal const int IP_BIND_ADDRESS_NO_PORT = 24;
    internal const int IP_MULTICAST_IF = 32;
    internal const int IP_MULTICAST_TTL = 33;
    internal const int IP_MULTICAST_LOOP = 34;
    internal const int MCAST_JOIN_GROUP = 42;
    internal const int MCAST_LEAVE_GROUP = 45;
    internal const int MCAST_JOIN_SOURCE_GROUP = 46;
    internal const int MCAST_LEAVE_SOURCE_GROUP = 47;
    internal const int IP_MULTICAST_ALL = 49;
    internal const int TCP_KEEPIDLE = 4;
    internal const int TCP_KEEPINTVL = 5;
    internal const int TCP_KEEPCNT = 6;
    internal const int TCP_DEFER_ACCEPT = 9;
    internal const int TCP_INFO = 11;
    internal const int TCP_QUICKACK = 12;
    internal const int TCP_CONGESTION = 13;
    internal const int TCP_USER_TIMEOUT = 18;
    internal const int TCP_FASTOPEN = 23;
    internal const int TCP_NOTSENT_LOWAT = 25;
    internal const int IPV6_MULTICAST_IF = 17;
    internal const int IPV6_MULTICAST_HOPS = 18;
    internal const int IPV6_MULTICAST_LOOP = 19;
    internal const int IPV6_V6ONLY = 26;
    internal const int IPV6_MULTICAST_ALL = 29;
    internal const int IPV6_RECVPKTINFO = 49;
    internal const int IPV6_PKTINFO = 50;
    internal const int IPV6_RECVTCLASS = 66;
    internal const int IPV6_TCLASS = 67;

    internal const int MSG_CTRUNC = 0x8;
    internal const int MSG_TRUNC = 0x20;
    internal const int MSG_NOSIGNAL = 0x4000;

    // linux/sockios.h: the same number as TIOCOUTQ.
    internal const uint SIOCOUTQ = 0x5411;

    internal const int F_DUPFD_CLOEXEC = 1030;
    internal const int O_NONBLOCK = 0x800;
    internal const int O_CLOEXEC = 0x80000;
    internal const int O_PATH = 0x200000;

    internal const int RLIMIT_NOFILE = 7;

    internal const int AT_FDCWD = -100;
    internal const int AT_SYMLINK_NOFOLLOW = 0x100;
    internal const int AT_EMPTY_PATH = 0x1000;
    internal const uint STATX_TYPE = 0x1;
    internal const uint STATX_INO = 0x100;
    internal const uint STATX_BTIME = 0x800;
    internal const int StatxModeOffset = 28;
    internal const int StatxInodeOffset = 32;
    internal const int StatxBirthOffset = 80;
    internal const int StatxDeviceOffset = 136;

    internal const int EFD_NONBLOCK = 0x800;
    internal const int EFD_CLOEXEC = 0x80000;

    internal const int TFD_CLOEXEC = 0x80000;
    internal const int CLOCK_MONOTONIC = 1;

    internal const int EPOLL_CLOEXEC = 0x80000;
    internal const int EPOLL_CTL_ADD = 1;
    internal const int EPOLL_CTL_DEL = 2;
    internal const int EPOLL_CTL_MOD = 3;
    internal const uint EPOLLIN = 0x001;
    internal const uint EPOLLPRI = 0x002;
    internal const uint EPOLLOUT = 0x004;
    internal const uint EPOLLERR = 0x008;
    internal const uint EPOLLHUP = 0x010;
    internal const uint EPOLLRDHUP = 0x2000;
    internal const uint EPOLLET = 1u << 31;
}
