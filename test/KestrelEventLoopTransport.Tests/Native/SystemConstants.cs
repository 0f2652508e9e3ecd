using System.Globalization;
using System.Reflection;

namespace KestrelEventLoopTransport.Tests.Native;

/// <summary>Numbers of the systems' headers, as the headers write them, and what the transport has for them.</summary>
internal static class SystemConstants
{
    // apple-oss-distributions/xnu at 1031c584a5e37aff177559b9f69dbd3c8c3fd30a.
    public const string MacOS = """
        AF_INET6            30            bsd/sys/socket.h
        SOL_SOCKET          0xffff        bsd/sys/socket.h
        SO_REUSEADDR        0x0004        bsd/sys/socket.h
        SO_KEEPALIVE        0x0008        bsd/sys/socket.h
        SO_BROADCAST        0x0020        bsd/sys/socket.h
        SO_LINGER           0x0080        bsd/sys/socket.h
        SO_REUSEPORT        0x0200        bsd/sys/socket.h
        SO_SNDBUF           0x1001        bsd/sys/socket.h
        SO_RCVBUF           0x1002        bsd/sys/socket.h
        SO_ERROR            0x1007        bsd/sys/socket.h
        SO_TYPE             0x1008        bsd/sys/socket.h
        SO_NOSIGPIPE        0x1022        bsd/sys/socket.h
        SO_NWRITE           0x1024        bsd/sys/socket.h
        SO_LINGER_SEC       0x1080        bsd/sys/socket.h
        MSG_TRUNC           0x10          bsd/sys/socket.h
        IP_TOS              3             bsd/netinet/in.h
        IP_MULTICAST_IF     9             bsd/netinet/in.h
        IP_MULTICAST_TTL    10            bsd/netinet/in.h
        IP_MULTICAST_LOOP   11            bsd/netinet/in.h
        MCAST_JOIN_GROUP    80            bsd/netinet/in.h
        MCAST_LEAVE_GROUP   81            bsd/netinet/in.h
        MCAST_JOIN_SOURCE_GROUP 82            bsd/netinet/in.h
        MCAST_LEAVE_SOURCE_GROUP 83            bsd/netinet/in.h
        IPV6_MULTICAST_IF   9             bsd/netinet6/in6.h
        IPV6_MULTICAST_HOPS 10            bsd/netinet6/in6.h
        IPV6_MULTICAST_LOOP 11            bsd/netinet6/in6.h
        IPV6_V6ONLY         27            bsd/netinet6/in6.h
        IPV6_TCLASS         36            bsd/netinet6/in6.h
        TCP_KEEPALIVE       0x10          bsd/netinet/tcp.h
        TCP_KEEPINTVL       0x101         bsd/netinet/tcp.h
        TCP_KEEPCNT         0x102         bsd/netinet/tcp.h
        TCP_NOTSENT_LOWAT   0x201         bsd/netinet/tcp.h
        O_NONBLOCK          0x00000004    bsd/sys/fcntl.h
        O_CLOEXEC           0x01000000    bsd/sys/fcntl.h
        F_DUPFD_CLOEXEC     67            bsd/sys/fcntl.h
        AT_FDCWD            -2            bsd/sys/fcntl.h
        AT_SYMLINK_NOFOLLOW 0x0020        bsd/sys/fcntl.h
        RLIMIT_NOFILE       8             bsd/sys/resource.h
        EVFILT_USER         (-10)         bsd/sys/event.h
        """;

    // freebsd/freebsd-src, releases 12 to 15.
    public const string FreeBSD = """
        AF_INET6            28            sys/sys/socket.h
        SOCK_CLOEXEC        0x10000000    sys/sys/socket.h
        SOCK_NONBLOCK       0x20000000    sys/sys/socket.h
        SOL_SOCKET          0xffff        sys/sys/socket.h
        SO_REUSEADDR        0x00000004    sys/sys/socket.h
        SO_KEEPALIVE        0x00000008    sys/sys/socket.h
        SO_BROADCAST        0x00000020    sys/sys/socket.h
        SO_LINGER           0x00000080    sys/sys/socket.h
        SO_REUSEPORT_LB     0x00010000    sys/sys/socket.h
        SO_SNDBUF           0x1001        sys/sys/socket.h
        SO_RCVBUF           0x1002        sys/sys/socket.h
        SO_ERROR            0x1007        sys/sys/socket.h
        SO_TYPE             0x1008        sys/sys/socket.h
        SO_PROTOCOL         0x1016        sys/sys/socket.h
        MSG_TRUNC           0x00000010    sys/sys/socket.h
        MSG_NOSIGNAL        0x00020000    sys/sys/socket.h
        IP_TOS              3             sys/netinet/in.h
        IP_MULTICAST_IF     9             sys/netinet/in.h
        IP_MULTICAST_TTL    10            sys/netinet/in.h
        IP_MULTICAST_LOOP   11            sys/netinet/in.h
        MCAST_JOIN_GROUP    80            sys/netinet/in.h
        MCAST_LEAVE_GROUP   81            sys/netinet/in.h
        MCAST_JOIN_SOURCE_GROUP 82            sys/netinet/in.h
        MCAST_LEAVE_SOURCE_GROUP 83            sys/netinet/in.h
        IPV6_MULTICAST_IF   9             sys/netinet6/in6.h
        IPV6_MULTICAST_HOPS 10            sys/netinet6/in6.h
        IPV6_MULTICAST_LOOP 11            sys/netinet6/in6.h
        IPV6_V6ONLY         27            sys/netinet6/in6.h
        IPV6_TCLASS         61            sys/netinet6/in6.h
        TCP_CONGESTION      64            sys/netinet/tcp.h
        TCP_KEEPIDLE        256           sys/netinet/tcp.h
        TCP_KEEPINTVL       512           sys/netinet/tcp.h
        TCP_KEEPCNT         1024          sys/netinet/tcp.h
        TCP_FASTOPEN        1025          sys/netinet/tcp.h
        FIONWRITE           0x40046677    sys/sys/filio.h
        O_NONBLOCK          0x0004        sys/sys/fcntl.h
        O_CLOEXEC           0x00100000    sys/sys/fcntl.h
        F_DUPFD_CLOEXEC     17            sys/sys/fcntl.h
        AT_FDCWD            -100          sys/sys/fcntl.h
        AT_SYMLINK_NOFOLLOW 0x0200        sys/sys/fcntl.h
        RLIMIT_NOFILE       8             sys/sys/resource.h
        EVFILT_USER         (-11)         sys/sys/event.h
        """;

    // The same in the headers of xnu (below bsd/) and freebsd-src (below sys/) as on Linux: those of Native.Linux that
    // are used on every system.
    public const string Common = """
        AF_UNIX             1             sys/socket.h
        AF_INET             2             sys/socket.h
        SOCK_STREAM         1             sys/socket.h
        SOCK_DGRAM          2             sys/socket.h
        SHUT_WR             1             sys/socket.h
        IPPROTO_IP          0             netinet/in.h
        IPPROTO_TCP         6             netinet/in.h
        IPPROTO_IPV6        41            netinet/in.h
        TCP_NODELAY         0x01          netinet/tcp.h
        TCP_MAXSEG          0x02          netinet/tcp.h
        F_DUPFD             0             sys/fcntl.h
        F_SETFD             2             sys/fcntl.h
        F_GETFL             3             sys/fcntl.h
        F_SETFL             4             sys/fcntl.h
        FD_CLOEXEC          1             sys/fcntl.h
        LOCK_EX             0x02          sys/fcntl.h
        LOCK_NB             0x04          sys/fcntl.h
        S_IFMT              0xF000        sys/stat.h: 0170000
        S_IFSOCK            0xC000        sys/stat.h: 0140000
        POLLIN              0x0001        sys/poll.h
        """;

    // The same in bsd/sys/event.h of xnu and sys/sys/event.h of freebsd-src.
    public const string Kqueue = """
        EVFILT_READ         (-1)          sys/event.h
        EVFILT_WRITE        (-2)          sys/event.h
        EV_ADD              0x0001        sys/event.h
        EV_DELETE           0x0002        sys/event.h
        EV_CLEAR            0x0020        sys/event.h
        EV_ERROR            0x4000        sys/event.h
        EV_EOF              0x8000        sys/event.h
        NOTE_TRIGGER        0x01000000    sys/event.h
        """;

    // bsd/sys/errno.h of xnu, in the form that Apple's compilers have used since 10.5 (__DARWIN_UNIX03).
    public const string MacOSErrors = """
        EPERM 1, ENOENT 2, EINTR 4, EIO 5, EBADF 9, ENOMEM 12, EACCES 13, EINVAL 22, ENFILE 23, EMFILE 24, EPIPE 32,
        ERANGE 34, EAGAIN 35, EINPROGRESS 36, EALREADY 37, ENOTSOCK 38, EDESTADDRREQ 39, EMSGSIZE 40,
        ENOPROTOOPT 42, EPROTONOSUPPORT 43, EAFNOSUPPORT 47, EADDRINUSE 48, EADDRNOTAVAIL 49, ENETDOWN 50,
        ENETUNREACH 51, ENETRESET 52, ECONNABORTED 53, ECONNRESET 54, ENOBUFS 55, ENOTCONN 57, ETIMEDOUT 60,
        ECONNREFUSED 61, EHOSTDOWN 64, EHOSTUNREACH 65, EPROTO 100, EOPNOTSUPP 102
        """;

    // sys/sys/errno.h of freebsd-src.
    public const string FreeBSDErrors = """
        EPERM 1, ENOENT 2, EINTR 4, EIO 5, EBADF 9, ENOMEM 12, EACCES 13, EINVAL 22, ENFILE 23, EMFILE 24, EPIPE 32,
        ERANGE 34, EAGAIN 35, EINPROGRESS 36, EALREADY 37, ENOTSOCK 38, EDESTADDRREQ 39, EMSGSIZE 40,
        ENOPROTOOPT 42, EPROTONOSUPPORT 43, EOPNOTSUPP 45, EAFNOSUPPORT 47, EADDRINUSE 48, EADDRNOTAVAIL 49,
        ENETDOWN 50, ENETUNREACH 51, ENETRESET 52, ECONNABORTED 53, ECONNRESET 54,
        ENOBUFS 55, ENOTCONN 57, ETIMEDOUT 60, ECONNREFUSED 61, EHOSTDOWN 64, EHOSTUNREACH 65, EPROTO 92
        """;

    /// <summary>Reads a table of this class: the first two words of each entry.</summary>
    public static Dictionary<string, long> Parse(string table) => table
        .Split(['\n', ','], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .ToDictionary(static words => words[0], static words => ParseNumber(words[1].Trim('(', ')')));

    /// <summary>The constants of a class of the transport that carry the name of one in a header.</summary>
    public static Dictionary<string, long> Of(Type type) => type
        .GetFields(BindingFlags.Static | BindingFlags.NonPublic)
        .Where(static field => field.IsLiteral && field.IsAssembly && !field.Name.Any(char.IsLower))
        .ToDictionary(
            static field => field.Name,
            static field => Convert.ToInt64(field.GetRawConstantValue(), CultureInfo.InvariantCulture));

    private static long ParseNumber(string text) => text.StartsWith("0x", StringComparison.Ordinal)
        ? long.Parse(text[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture)
        : long.Parse(text, CultureInfo.InvariantCulture);
}
