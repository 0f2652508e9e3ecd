using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Connections.Lingering;

/// <summary>The socket option SO_LINGER (<c>socket(7)</c>).</summary>
internal static unsafe class LingerOption
{
    /// <summary>
    /// Whether <c>close(2)</c> blocks, O_NONBLOCK or not: until the peer has acknowledged everything, or the option's
    /// time has passed.
    /// </summary>
    internal static bool MakesCloseWait(int fd)
    {
        // struct linger: on, seconds.
        var linger = stackalloc int[2];
        uint length = 2 * sizeof(int);
        return Libc.getsockopt(fd, Platform.SOL_SOCKET, Platform.SO_LINGER, linger, &length) == 0
            && linger[0] != 0
            && linger[1] > 0;
    }

    /// <summary>Makes <c>close(2)</c> send a RST (<c>tcp(7)</c>): the option is on, with 0 seconds.</summary>
    internal static void MakeCloseReset(int fd)
    {
        var linger = stackalloc int[2] { 1, 0 };
        _ = Libc.setsockopt(fd, Platform.SOL_SOCKET, Platform.SO_LINGER, linger, 2 * sizeof(int));
    }
}
