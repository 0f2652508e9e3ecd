using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Descriptors.UnixSockets;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.Options;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Listening;

/// <summary>A listening socket. It listens from its construction until it is closed, once.</summary>
internal sealed unsafe class ListenSocket
{
    private readonly string? _unixPath;
    private readonly FileIdentity? _unixFile;

    private ListenSocket(int fd, bool ownsDescriptor, string? unixPath = null, FileIdentity? unixFile = null)
    {
        Fd = fd;
        OwnsDescriptor = ownsDescriptor;
        _unixPath = unixPath;
        _unixFile = unixFile;
        EndPoint = SocketCalls.GetLocalEndPoint(fd);
        SharesPort = EndPoint is IPEndPoint && GetOption(fd, Platform.SOL_SOCKET, Platform.SO_REUSEPORT) != 0;
    }

    internal int Fd { get; }

    /// <summary>False for a descriptor that was passed to the process: it is never closed.</summary>
    internal bool OwnsDescriptor { get; }

    /// <summary>The address that the kernel reports. It has the real port where port 0 was asked for.</summary>
    internal EndPoint EndPoint { get; }

    /// <summary>
    /// Whether other sockets may listen on the same address: an option or the user's hook has set SO_REUSEPORT.
    /// </summary>
    internal bool SharesPort { get; }

    internal static ListenSocket Create(EndPoint endPoint, ListenerContext settings)
    {
        try
        {
            return endPoint switch
            {
                FileHandleEndPoint handle => Adopt(handle, settings),
                UnixDomainSocketEndPoint unix => BindUnix(unix, settings.Options),
                IPEndPoint ip => BindIP(ip, settings),
                _ => throw new NotSupportedException(
                    $"The event-loop transport cannot bind to '{endPoint}': it is not an IP, Unix domain socket or file"
                    + " handle endpoint."),
            };
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            throw new AddressInUseException(exception.Message, exception);
        }
    }

    /// <summary>Whether descriptors of the socket were given away.</summary>
    internal bool IsDuplicated { get; set; }

    /// <summary>Whether another owner has the socket too and may go on with its queue.</summary>
    internal bool IsShared => !OwnsDescriptor || IsDuplicated;

    /// <summary>
    /// A second descriptor of the socket (<c>F_DUPFD</c>, <c>fcntl(2)</c>). A caller that gives it away has to set
    /// <see cref="IsDuplicated"/>.
    /// </summary>
    internal int Duplicate(bool inheritable)
    {
        var fd = Libc.fcntl(Fd, inheritable ? Posix.F_DUPFD : Platform.F_DUPFD_CLOEXEC, 0);
        SocketCalls.Check(fd, "fcntl F_DUPFD");
        return fd;
    }

    /// <summary>
    /// Removes the file of a Unix socket, so that no new client finds it. The file of a duplicated socket stays.
    /// </summary>
    internal void Unlink()
    {
        if (_unixPath is not null && _unixFile is { } file && !IsDuplicated)
        {
            UnixSocketFile.Delete(_unixPath, file);
        }
    }

    internal void Close()
    {
        // The file goes first: once the socket is closed, another process may bind to the path.
        Unlink();
        if (OwnsDescriptor)
        {
            _ = Libc.close(Fd);
        }
    }

    private static ListenSocket BindIP(IPEndPoint endPoint, ListenerContext settings)
    {
        var options = settings.Options;
        var isV6 = endPoint.AddressFamily == AddressFamily.InterNetworkV6;
        var fd = SocketCalls.Create(isV6 ? Platform.AF_INET6 : Posix.AF_INET);
        try
        {
            var isDual = options.DualMode ?? endPoint.Address.Equals(IPAddress.IPv6Any);
            SetOptions(fd, SocketOptionList.ForBinding(options, isV6, isDual));
            SetOptions(fd, SocketOptionList.ForListening(options, isV6));
            WarnOfFastOpen(endPoint, settings);
            RunHook(fd, endPoint, options);
            SocketCalls.Bind(fd, endPoint);
            SocketCalls.Listen(fd, options.Backlog);
            return new ListenSocket(fd, ownsDescriptor: true);
        }
        catch
        {
            _ = Libc.close(fd);
            throw;
        }
    }

    private static ListenSocket BindUnix(UnixDomainSocketEndPoint endPoint, EndpointOptions options)
    {
        endPoint = UnixSocketAddress.WithAbstractName(endPoint);
        using var socket = BoundUnixSocket.Create(endPoint, options.Unix);
        SetOptions(socket.Fd, SocketOptionList.ForAcceptedUnix(options));
        RunHook(socket.Fd, endPoint, options);
        socket.Bind();
        SocketCalls.Listen(socket.Fd, options.Backlog);
        var result = new ListenSocket(socket.Fd, ownsDescriptor: true, socket.Path, socket.File);
        socket.Release();
        return result;
    }

    /// <summary>Listens on a socket that systemd or a parent process has made and keeps.</summary>
    private static ListenSocket Adopt(FileHandleEndPoint handle, ListenerContext settings)
    {
        if (!SocketKind.IsServed(handle))
        {
            throw new NotSupportedException(
                $"Descriptor {handle.FileHandle} is not a TCP or Unix stream socket. The event-loop transport serves no"
                + " others.");
        }

        var options = settings.Options;
        var fd = checked((int)handle.FileHandle);
        var address = stackalloc byte[Posix.SockAddrStorageSize];
        uint length = Posix.SockAddrStorageSize;
        SocketCalls.Check(Libc.getsockname(fd, address, &length), "getsockname");
        var local = SocketAddressBytes.Span(address, length);

        var flags = Libc.fcntl(fd, Posix.F_GETFL, 0);
        SocketCalls.Check(flags, "fcntl F_GETFL");
        SocketCalls.Check(Libc.fcntl(fd, Posix.F_SETFL, flags | Platform.O_NONBLOCK), "fcntl F_SETFL");
        SocketCalls.SuppressSignal(fd);
        if (SocketAddressBytes.IsUnix(local))
        {
            SetOptions(fd, SocketOptionList.ForAcceptedUnix(options));
        }
        else
        {
            SetOptions(fd, SocketOptionList.ForListening(options, isV6: SocketAddressBytes.IsIPv6(local)));
            WarnOfFastOpen(handle, settings);
        }

        RunHook(fd, handle, options);
        SocketCalls.Listen(fd, options.Backlog);
        return new ListenSocket(fd, ownsDescriptor: false);
    }

    private static void SetOptions(int fd, IEnumerable<SocketOption> options)
    {
        foreach (var option in options)
        {
            option.Set(fd);
        }
    }

    /// <summary>The kernel accepts the option even if TCP Fast Open is switched off.</summary>
    private static void WarnOfFastOpen(EndPoint endPoint, ListenerContext settings)
    {
        const string Switch = "/proc/sys/net/ipv4/tcp_fastopen";
        const int Server = 2;
        if (settings.Options.Tcp.FastOpenQueue is null)
        {
            return;
        }

        try
        {
            if (int.TryParse(File.ReadAllText(Switch), out var bits) && (bits & Server) == 0)
            {
                ListenerLog.FastOpenIsOff(settings.Logger, endPoint, bits);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Not Linux, or /proc cannot be read.
        }
    }

    private static void RunHook(int fd, EndPoint endPoint, EndpointOptions options)
    {
        if (options.ConfigureListenSocket is not { } hook)
        {
            return;
        }

        var context = new ListenSocketContext(fd, endPoint);
        try
        {
            hook(context);
        }
        catch (Exception exception)
        {
            // After any other exception, Kestrel would try the next address of "localhost".
            throw new IOException(
                $"{nameof(options.ConfigureListenSocket)} failed for {endPoint}: {exception.Message}", exception);
        }
        finally
        {
            context.End();
        }
    }

    private static int GetOption(int fd, int level, int name)
    {
        int value;
        uint length = sizeof(int);
        return Libc.getsockopt(fd, level, name, &value, &length) == 0 ? value : 0;
    }
}
