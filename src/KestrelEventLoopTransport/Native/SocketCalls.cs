using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Native;

/// <summary>
/// Operations on sockets: those that take several system calls on some systems, and those whose failure is an
/// exception. New sockets are non-blocking and closed on exec: in one call on Linux and FreeBSD, with <c>fcntl(2)</c>
/// after it on macOS, which has neither <c>accept4</c> nor flags of <c>socket(2)</c>.
/// </summary>
internal static unsafe class SocketCalls
{
    /// <summary>A new socket.</summary>
    /// <exception cref="SocketException">There is no descriptor, or the system has no such family.</exception>
    internal static int Create(int family, int type = Posix.SOCK_STREAM)
    {
        var fd = Libc.socket(family, type | Platform.SOCK_CLOEXEC | Platform.SOCK_NONBLOCK, 0);
        var error = fd < 0 ? Errno.Last : 0;
        if (OperatingSystem.IsMacOS())
        {
            fd = Finish(fd, ref error);
            SuppressSignal(fd);
        }

        return fd < 0 ? throw Errno.ToException(error, "socket") : fd;
    }

    /// <exception cref="SocketException">The address is in use or not available.</exception>
    internal static void Bind(int fd, EndPoint endPoint)
    {
        var address = endPoint.Serialize();
        var action = $"bind to {endPoint}";
        fixed (byte* bytes = address.Buffer.Span)
        {
            Check(Libc.bind(fd, bytes, (uint)address.Size), action);
        }
    }

    /// <summary>
    /// Begins to connect (<c>connect(2)</c>). Returns 0 when the socket is connected, <see cref="Errno.EINPROGRESS"/>
    /// when it becomes writable later, or another error.
    /// </summary>
    internal static int Connect(int fd, ReadOnlySpan<byte> address)
    {
        fixed (byte* bytes = address)
        {
            if (Libc.connect(fd, bytes, (uint)address.Length) == 0)
            {
                return 0;
            }
        }

        // An interrupted connect goes on like one that is in progress (connect(2), POSIX).
        var error = Errno.Last;
        return error is Errno.EINTR or Errno.EALREADY ? Errno.EINPROGRESS : error;
    }

    /// <summary>
    /// The same as <see cref="FinishConnect"/>, for a socket of which nothing was reported yet. On Linux a second
    /// <c>connect(2)</c> has the outcome of the first (net/ipv4/af_inet.c: <c>__inet_stream_connect</c>), which saves a
    /// call. On other systems it may begin anew.
    /// </summary>
    internal static int LookAtConnect(int fd, ReadOnlySpan<byte> address)
        => OperatingSystem.IsLinux() ? Connect(fd, address) : FinishConnect(fd);

    /// <summary>
    /// The outcome of a connect that was in progress: 0, <see cref="Errno.EINPROGRESS"/> when there is none yet, or an
    /// error.
    /// </summary>
    internal static int FinishConnect(int fd)
    {
        int error;
        uint length = sizeof(int);
        if (Libc.getsockopt(fd, Platform.SOL_SOCKET, Platform.SO_ERROR, &error, &length) < 0)
        {
            return Errno.Last;
        }

        if (error != 0)
        {
            return Errno.FromSystem(error);
        }

        // Without an error, only a connected socket has a peer (Go: internal/poll and net/fd_unix.go).
        var address = stackalloc byte[Posix.SockAddrStorageSize];
        length = Posix.SockAddrStorageSize;
        return Libc.getpeername(fd, address, &length) == 0 ? 0
            : Errno.Last is var reason && reason == Errno.ENOTCONN ? Errno.EINPROGRESS
            : reason;
    }

    /// <summary>Another descriptor of a socket, non-blocking and closed on exec.</summary>
    /// <exception cref="SocketException">There is no descriptor, or the number is not an open one.</exception>
    internal static int DuplicateNonBlocking(int fd)
    {
        var duplicate = Libc.fcntl(fd, Platform.F_DUPFD_CLOEXEC, 0);
        Check(duplicate, "fcntl F_DUPFD_CLOEXEC");
        var flags = Libc.fcntl(duplicate, Posix.F_GETFL, 0);
        if (flags >= 0 && Libc.fcntl(duplicate, Posix.F_SETFL, flags | Platform.O_NONBLOCK) >= 0)
        {
            return duplicate;
        }

        var error = Errno.Last;
        _ = Libc.close(duplicate);
        throw Errno.ToException(error, "fcntl");
    }

    /// <exception cref="SocketException">The address is in use: <c>listen</c> can find that out too.</exception>
    internal static void Listen(int fd, int backlog) => Check(Libc.listen(fd, backlog), "listen");

    /// <summary>The address that a socket is bound to.</summary>
    /// <exception cref="SocketException">The descriptor is not a socket.</exception>
    internal static EndPoint GetLocalEndPoint(int fd)
    {
        var address = stackalloc byte[Posix.SockAddrStorageSize];
        uint length = Posix.SockAddrStorageSize;
        Check(Libc.getsockname(fd, address, &length), "getsockname");
        return SocketAddressBytes.ToEndPoint(SocketAddressBytes.Span(address, length));
    }

    /// <summary>
    /// Whether a TCP socket is its own peer ("simultaneous open", RFC 9293, 3.5). False for one that is not connected
    /// any more.
    /// </summary>
    internal static bool IsConnectedToItself(int fd)
    {
        var local = stackalloc byte[Posix.SockAddrStorageSize];
        var peer = stackalloc byte[Posix.SockAddrStorageSize];
        uint localLength = Posix.SockAddrStorageSize;
        uint peerLength = Posix.SockAddrStorageSize;
        return Libc.getsockname(fd, local, &localLength) == 0
            && Libc.getpeername(fd, peer, &peerLength) == 0
            && SocketAddressBytes.Span(local, localLength).SequenceEqual(SocketAddressBytes.Span(peer, peerLength));
    }

    /// <summary>Throws if a system call has failed.</summary>
    /// <param name="result">What the call has returned just now: any code in between could change errno.</param>
    /// <param name="action">Names the call, for the message. Made before the call.</param>
    /// <exception cref="SocketException">The call has failed.</exception>
    internal static void Check(int result, string action)
    {
        if (result < 0)
        {
            throw Errno.ToException(Errno.Last, action);
        }
    }

    /// <summary>
    /// On macOS, which has no <c>MSG_NOSIGNAL</c>, keeps a send to a lost peer from raising SIGPIPE. Connections
    /// inherit the option from the listening socket (xnu: <c>sonewconn</c>). A failure does no harm: .NET ignores the
    /// signal.
    /// </summary>
    internal static void SuppressSignal(int fd)
    {
        if (OperatingSystem.IsMacOS())
        {
            var on = 1;
            _ = Libc.setsockopt(fd, MacOS.SOL_SOCKET, MacOS.SO_NOSIGPIPE, &on, sizeof(int));
        }
    }

    /// <summary>Whether both directions of a socket are closed (<c>poll(2)</c>). Does not wait.</summary>
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

    /// <summary>
    /// How much the kernel holds that the peer of a connected socket has not taken: bytes that TCP has not had an
    /// acknowledgement for, and the memory of unread bytes for a Unix socket on Linux (<c>tcp(7)</c>, <c>unix(7)</c>).
    /// Zero if the kernel does not tell.
    /// </summary>
    internal static int GetUntaken(int fd)
    {
        var count = 0;
        if (OperatingSystem.IsMacOS())
        {
            uint length = sizeof(int);
            return Libc.getsockopt(fd, MacOS.SOL_SOCKET, MacOS.SO_NWRITE, &count, &length) < 0 ? 0 : count;
        }

        return Libc.ioctl(fd, Platform.SIOCOUTQ, &count) < 0 ? 0 : count;
    }

    /// <summary>
    /// What the kernel knows about a TCP connection. Returns how many bytes of it the kernel has: 0 if it reports
    /// nothing. Linux only.
    /// </summary>
    internal static int GetTcpInfo(int fd, out tcp_info info)
    {
        info = default;
        if (!OperatingSystem.IsLinux())
        {
            return 0;
        }

        uint length = tcp_info.Size;
        fixed (tcp_info* values = &info)
        {
            return Libc.getsockopt(fd, Posix.IPPROTO_TCP, Linux.TCP_INFO, values, &length) == 0 ? (int)length : 0;
        }
    }

    /// <summary>An accepted connection, or -1 with its error.</summary>
    /// <param name="listener">The listening socket.</param>
    /// <param name="address">Room for the peer's address.</param>
    /// <param name="length">The size of the room; on return, that of the address.</param>
    /// <param name="error">0, or the error number.</param>
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
            // xnu returns a connection that was lost in the queue, without an address (Go: syscall_bsd.go, Accept).
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
