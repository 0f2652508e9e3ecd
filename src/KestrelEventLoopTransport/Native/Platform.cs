using System.Runtime.CompilerServices;

namespace KestrelEventLoopTransport.Native;

/// <summary>
/// The constants of the running system that are not the same on all of Linux, macOS and FreeBSD. The JIT knows the
/// system: what reads one of these compiles to the number. Error numbers are translated instead, by
/// <see cref="Errno"/>.
/// </summary>
internal static class Platform
{
    internal static int AF_INET6 => Of(Linux.AF_INET6, MacOS.AF_INET6, FreeBSD.AF_INET6);

    /// <summary>Zero where <c>socket(2)</c> takes no flags (macOS): <see cref="SocketCalls"/> sets them afterwards.</summary>
    internal static int SOCK_NONBLOCK => Of(Linux.SOCK_NONBLOCK, 0, FreeBSD.SOCK_NONBLOCK);

    /// <inheritdoc cref="SOCK_NONBLOCK"/>
    internal static int SOCK_CLOEXEC => Of(Linux.SOCK_CLOEXEC, 0, FreeBSD.SOCK_CLOEXEC);

    internal static int SOL_SOCKET => Of(Linux.SOL_SOCKET, MacOS.SOL_SOCKET, FreeBSD.SOL_SOCKET);

    internal static int SO_REUSEADDR => Of(Linux.SO_REUSEADDR, MacOS.SO_REUSEADDR, FreeBSD.SO_REUSEADDR);

    internal static int SO_LINGER => Of(Linux.SO_LINGER, MacOS.SO_LINGER, FreeBSD.SO_LINGER);

    internal static int IPV6_V6ONLY => Of(Linux.IPV6_V6ONLY, MacOS.IPV6_V6ONLY, FreeBSD.IPV6_V6ONLY);

    /// <summary>Zero where it is an option of the socket instead (macOS): <see cref="MacOS.SO_NOSIGPIPE"/>.</summary>
    internal static int MSG_NOSIGNAL => Of(Linux.MSG_NOSIGNAL, 0, FreeBSD.MSG_NOSIGNAL);

    internal static int O_NONBLOCK => Of(Linux.O_NONBLOCK, MacOS.O_NONBLOCK, FreeBSD.O_NONBLOCK);

    /// <summary>
    /// Size of <c>struct kevent</c>. On Linux, where only tests and other implementations have a kqueue, the layout of
    /// macOS holds.
    /// </summary>
    internal static int KeventSize => Of(MacOS.KeventSize, MacOS.KeventSize, FreeBSD.KeventSize);

    internal static short EVFILT_USER => (short)Of(MacOS.EVFILT_USER, MacOS.EVFILT_USER, FreeBSD.EVFILT_USER);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Of(int linux, int macOS, int freeBSD)
        => OperatingSystem.IsLinux() ? linux
            : OperatingSystem.IsMacOS() ? macOS
            : freeBSD;
}
