using System.Runtime.CompilerServices;

namespace KestrelEventLoopTransport.Native;

/// <summary>
/// Constants that differ between Linux, macOS and FreeBSD, with the values of the running system. The JIT knows the
/// system and compiles each property to a number. Error numbers are translated instead, by <see cref="Errno"/>.
/// </summary>
internal static class Platform
{
    /// <summary>Stands for a socket option that the running system does not have.</summary>
    internal const int Missing = -1;

    /// <summary>
    /// The environment variable that names the layout of a kqueue on Linux, which only tests and libraries provide:
    /// <c>macos</c> (the default), <c>freebsd</c>, or <c>libkqueue</c>, which has the struct of macOS and the filters
    /// of FreeBSD.
    /// </summary>
    internal const string KqueueVariable = "KESTREL_EVENTLOOP_KQUEUE";

    private static readonly string? _kqueueOnLinux = Environment.GetEnvironmentVariable(KqueueVariable);

    private static readonly int _keventSizeOnLinux
        = _kqueueOnLinux == "freebsd" ? FreeBSD.KeventSize : MacOS.KeventSize;

    private static readonly int _userFilterOnLinux
        = _kqueueOnLinux is "freebsd" or "libkqueue" ? FreeBSD.EVFILT_USER : MacOS.EVFILT_USER;

    internal static int AF_INET6 => Of(Linux.AF_INET6, MacOS.AF_INET6, FreeBSD.AF_INET6);

    /// <summary>
    /// Zero where <c>socket(2)</c> takes no flags (macOS): <see cref="SocketCalls"/> sets them afterwards.
    /// </summary>
    internal static int SOCK_NONBLOCK => Of(Linux.SOCK_NONBLOCK, 0, FreeBSD.SOCK_NONBLOCK);

    /// <inheritdoc cref="SOCK_NONBLOCK"/>
    internal static int SOCK_CLOEXEC => Of(Linux.SOCK_CLOEXEC, 0, FreeBSD.SOCK_CLOEXEC);

    internal static int SOL_SOCKET => Of(Linux.SOL_SOCKET, MacOS.SOL_SOCKET, FreeBSD.SOL_SOCKET);

    internal static int SO_REUSEADDR => Of(Linux.SO_REUSEADDR, MacOS.SO_REUSEADDR, FreeBSD.SO_REUSEADDR);

    internal static int SO_KEEPALIVE => Of(Linux.SO_KEEPALIVE, MacOS.SO_KEEPALIVE, FreeBSD.SO_KEEPALIVE);

    internal static int SO_BROADCAST => Of(Linux.SO_BROADCAST, MacOS.SO_BROADCAST, FreeBSD.SO_BROADCAST);

    internal static int SO_SNDBUF => Of(Linux.SO_SNDBUF, MacOS.SO_SNDBUF, FreeBSD.SO_SNDBUF);

    internal static int SO_RCVBUF => Of(Linux.SO_RCVBUF, MacOS.SO_RCVBUF, FreeBSD.SO_RCVBUF);

    /// <summary>
    /// The option by which listening sockets share a port. On Linux and FreeBSD the kernel spreads connections over
    /// them (<see cref="BalancesPort"/>); FreeBSD has an option of its own for that.
    /// </summary>
    internal static int SO_REUSEPORT => Of(Linux.SO_REUSEPORT, MacOS.SO_REUSEPORT, FreeBSD.SO_REUSEPORT_LB);

    /// <summary>False where one of the sockets that share a port gets all connections (macOS).</summary>
    internal static bool BalancesPort => !OperatingSystem.IsMacOS();

    internal static int SO_TYPE => Of(Linux.SO_TYPE, MacOS.SO_TYPE, FreeBSD.SO_TYPE);

    internal static int SO_ERROR => Of(Linux.SO_ERROR, MacOS.SO_ERROR, FreeBSD.SO_ERROR);

    internal static int SO_PROTOCOL => Of(Linux.SO_PROTOCOL, Missing, FreeBSD.SO_PROTOCOL);

    internal static int SO_BINDTODEVICE => Of(Linux.SO_BINDTODEVICE, Missing, Missing);

    internal static int SO_BUSY_POLL => Of(Linux.SO_BUSY_POLL, Missing, Missing);

    internal static int SO_INCOMING_CPU => Of(Linux.SO_INCOMING_CPU, Missing, Missing);

    internal static int SO_PRIORITY => Of(Linux.SO_PRIORITY, Missing, Missing);

    internal static int SO_LINGER => Of(Linux.SO_LINGER, MacOS.SO_LINGER, FreeBSD.SO_LINGER);

    /// <summary>SO_LINGER with a time in seconds. On macOS <see cref="SO_LINGER"/> counts clock ticks.</summary>
    internal static int SO_LINGER_SEC => Of(Linux.SO_LINGER, MacOS.SO_LINGER_SEC, FreeBSD.SO_LINGER);

    internal static int IP_TOS => Of(Linux.IP_TOS, MacOS.IP_TOS, FreeBSD.IP_TOS);

    internal static int IP_BIND_ADDRESS_NO_PORT => Of(Linux.IP_BIND_ADDRESS_NO_PORT, Missing, Missing);

    internal static int IP_MULTICAST_IF => Of(Linux.IP_MULTICAST_IF, MacOS.IP_MULTICAST_IF, FreeBSD.IP_MULTICAST_IF);

    internal static int IP_MULTICAST_TTL
        => Of(Linux.IP_MULTICAST_TTL, MacOS.IP_MULTICAST_TTL, FreeBSD.IP_MULTICAST_TTL);

    internal static int IP_MULTICAST_LOOP
        => Of(Linux.IP_MULTICAST_LOOP, MacOS.IP_MULTICAST_LOOP, FreeBSD.IP_MULTICAST_LOOP);

    internal static int MCAST_JOIN_GROUP
        => Of(Linux.MCAST_JOIN_GROUP, MacOS.MCAST_JOIN_GROUP, FreeBSD.MCAST_JOIN_GROUP);

    internal static int MCAST_LEAVE_GROUP
        => Of(Linux.MCAST_LEAVE_GROUP, MacOS.MCAST_LEAVE_GROUP, FreeBSD.MCAST_LEAVE_GROUP);

    internal static int MCAST_JOIN_SOURCE_GROUP
        => Of(Linux.MCAST_JOIN_SOURCE_GROUP, MacOS.MCAST_JOIN_SOURCE_GROUP, FreeBSD.MCAST_JOIN_SOURCE_GROUP);

    internal static int MCAST_LEAVE_SOURCE_GROUP
        => Of(Linux.MCAST_LEAVE_SOURCE_GROUP, MacOS.MCAST_LEAVE_SOURCE_GROUP, FreeBSD.MCAST_LEAVE_SOURCE_GROUP);

    internal static int IPV6_MULTICAST_IF
        => Of(Linux.IPV6_MULTICAST_IF, MacOS.IPV6_MULTICAST_IF, FreeBSD.IPV6_MULTICAST_IF);

    internal static int IPV6_MULTICAST_HOPS
        => Of(Linux.IPV6_MULTICAST_HOPS, MacOS.IPV6_MULTICAST_HOPS, FreeBSD.IPV6_MULTICAST_HOPS);

    internal static int IPV6_MULTICAST_LOOP
        => Of(Linux.IPV6_MULTICAST_LOOP, MacOS.IPV6_MULTICAST_LOOP, FreeBSD.IPV6_MULTICAST_LOOP);

    internal static int IPV6_TCLASS => Of(Linux.IPV6_TCLASS, MacOS.IPV6_TCLASS, FreeBSD.IPV6_TCLASS);

    internal static int TCP_KEEPIDLE => Of(Linux.TCP_KEEPIDLE, MacOS.TCP_KEEPALIVE, FreeBSD.TCP_KEEPIDLE);

    internal static int TCP_KEEPINTVL => Of(Linux.TCP_KEEPINTVL, MacOS.TCP_KEEPINTVL, FreeBSD.TCP_KEEPINTVL);

    internal static int TCP_KEEPCNT => Of(Linux.TCP_KEEPCNT, MacOS.TCP_KEEPCNT, FreeBSD.TCP_KEEPCNT);

    internal static int TCP_CONGESTION => Of(Linux.TCP_CONGESTION, Missing, FreeBSD.TCP_CONGESTION);

    internal static int TCP_DEFER_ACCEPT => Of(Linux.TCP_DEFER_ACCEPT, Missing, Missing);

    /// <summary>
    /// Missing on macOS: its option of that name takes no queue length, only on and off while listening.
    /// </summary>
    internal static int TCP_FASTOPEN => Of(Linux.TCP_FASTOPEN, Missing, FreeBSD.TCP_FASTOPEN);

    internal static int TCP_QUICKACK => Of(Linux.TCP_QUICKACK, Missing, Missing);

    internal static int TCP_USER_TIMEOUT => Of(Linux.TCP_USER_TIMEOUT, Missing, Missing);

    internal static int TCP_NOTSENT_LOWAT => Of(Linux.TCP_NOTSENT_LOWAT, MacOS.TCP_NOTSENT_LOWAT, Missing);

    internal static int IPV6_V6ONLY => Of(Linux.IPV6_V6ONLY, MacOS.IPV6_V6ONLY, FreeBSD.IPV6_V6ONLY);

    internal static int MSG_TRUNC => Of(Linux.MSG_TRUNC, MacOS.MSG_TRUNC, FreeBSD.MSG_TRUNC);

    /// <summary>Zero where it is an option of the socket instead (macOS): <see cref="MacOS.SO_NOSIGPIPE"/>.</summary>
    internal static int MSG_NOSIGNAL => Of(Linux.MSG_NOSIGNAL, 0, FreeBSD.MSG_NOSIGNAL);

    /// <summary>Not on macOS, which has the socket option <see cref="MacOS.SO_NWRITE"/> instead.</summary>
    internal static uint SIOCOUTQ => OperatingSystem.IsLinux() ? Linux.SIOCOUTQ : FreeBSD.FIONWRITE;

    internal static int O_NONBLOCK => Of(Linux.O_NONBLOCK, MacOS.O_NONBLOCK, FreeBSD.O_NONBLOCK);

    internal static int O_CLOEXEC => Of(Linux.O_CLOEXEC, MacOS.O_CLOEXEC, FreeBSD.O_CLOEXEC);

    internal static int F_DUPFD_CLOEXEC => Of(Linux.F_DUPFD_CLOEXEC, MacOS.F_DUPFD_CLOEXEC, FreeBSD.F_DUPFD_CLOEXEC);

    internal static int AT_FDCWD => Of(Linux.AT_FDCWD, MacOS.AT_FDCWD, FreeBSD.AT_FDCWD);

    internal static int AT_SYMLINK_NOFOLLOW
        => Of(Linux.AT_SYMLINK_NOFOLLOW, MacOS.AT_SYMLINK_NOFOLLOW, FreeBSD.AT_SYMLINK_NOFOLLOW);

    internal static int RLIMIT_NOFILE => Of(Linux.RLIMIT_NOFILE, MacOS.RLIMIT_NOFILE, FreeBSD.RLIMIT_NOFILE);

    /// <summary>Size of <c>struct kevent</c>. For Linux, see <see cref="KqueueVariable"/>.</summary>
    internal static int KeventSize => Of(_keventSizeOnLinux, MacOS.KeventSize, FreeBSD.KeventSize);

    /// <inheritdoc cref="KeventSize"/>
    internal static short EVFILT_USER => (short)Of(_userFilterOnLinux, MacOS.EVFILT_USER, FreeBSD.EVFILT_USER);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Of(int linux, int macOS, int freeBSD)
        => OperatingSystem.IsLinux() ? linux
            : OperatingSystem.IsMacOS() ? macOS
            : freeBSD;
}
