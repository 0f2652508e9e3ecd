namespace KestrelEventLoopTransport.Native;

/// <summary>
/// How a non-blocking socket that no child process inherits comes into being: in one call on Linux and FreeBSD, with
/// <c>fcntl(2)</c> after it on macOS, which has neither <c>accept4</c> nor flags of <c>socket(2)</c>.
/// </summary>
internal static unsafe class SocketCalls
{
    /// <summary>A new stream socket, or -1 with its error.</summary>
    internal static int Create(int family, out int error)
    {
        var fd = Libc.socket(family, Posix.SOCK_STREAM | Platform.SOCK_CLOEXEC | Platform.SOCK_NONBLOCK, 0);
        error = fd < 0 ? Errno.Last : 0;
        if (OperatingSystem.IsMacOS())
        {
            fd = Finish(fd, ref error);
            SuppressSignal(fd);
        }

        return fd;
    }

    /// <summary>
    /// Where <c>MSG_NOSIGNAL</c> is missing, an option keeps a send to a lost peer from raising SIGPIPE. Connections
    /// inherit it from the listening socket (xnu: <c>sonewconn</c>). Should it fail: .NET ignores the signal anyway.
    /// </summary>
    internal static void SuppressSignal(int fd)
    {
        if (OperatingSystem.IsMacOS())
        {
            var on = 1;
            _ = Libc.setsockopt(fd, MacOS.SOL_SOCKET, MacOS.SO_NOSIGPIPE, &on, sizeof(int));
        }
    }

    /// <summary>Whether a socket is closed both ways, <c>poll(2)</c>. Does not wait.</summary>
    internal static bool IsHungUp(int fd)
    {
        while (true)
        {
            var descriptor = new pollfd { fd = fd };
            var count = Libc.poll(&descriptor, 1, 0);
            if (count >= 0 || Errno.Last != Errno.EINTR)
            {
                return count > 0 && (descriptor.revents & Posix.POLLHUP) != 0;
            }
        }
    }

    /// <summary>An accepted connection, or -1 with its error.</summary>
    /// <param name="listener">The listening socket.</param>
    /// <param name="address">Room for the peer's address.</param>
    /// <param name="length">Size of the room; on return, of the address.</param>
    /// <param name="error">0, or why there is no connection.</param>
    internal static int Accept(int listener, byte* address, uint* length, out int error)
    {
        if (OperatingSystem.IsMacOS())
        {
            return AcceptThenFinish(listener, address, length, out error);
        }

        var fd = Libc.accept4(listener, address, length, Platform.SOCK_CLOEXEC | Platform.SOCK_NONBLOCK);
        error = fd < 0 ? Errno.Last : 0;
        return fd;
    }

    private static int AcceptThenFinish(int listener, byte* address, uint* length, out int error)
    {
        var fd = Libc.accept(listener, address, length);
        error = fd < 0 ? Errno.Last : 0;
        if (fd >= 0 && *length == 0)
        {
            // xnu hands out a connection that was lost in the queue, without an address (Go: syscall_bsd.go, Accept).
            _ = Libc.close(fd);
            error = Errno.ECONNABORTED;
            return -1;
        }

        return Finish(fd, ref error);
    }

    private static int Finish(int fd, ref int error)
    {
        if (fd < 0 || (SetCloseOnExec(fd, ref error) && SetNonBlocking(fd, ref error)))
        {
            return fd;
        }

        _ = Libc.close(fd);
        return -1;
    }

    private static bool SetCloseOnExec(int fd, ref int error)
    {
        if (Libc.fcntl(fd, Posix.F_SETFD, Posix.FD_CLOEXEC) >= 0)
        {
            return true;
        }

        error = Errno.Last;
        return false;
    }

    private static bool SetNonBlocking(int fd, ref int error)
    {
        // A new socket has no other status flags to keep.
        if (Libc.fcntl(fd, Posix.F_SETFL, Platform.O_NONBLOCK) >= 0)
        {
            return true;
        }

        error = Errno.Last;
        return false;
    }
}
