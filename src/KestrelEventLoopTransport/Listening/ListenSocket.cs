using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Listening.UnixSockets;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Listening;

/// <summary>A listening socket: created, bound and listening after construction, closed once.</summary>
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
        EndPoint = GetLocalEndPoint(fd);
        SharesPort = EndPoint is IPEndPoint && GetOption(fd, Platform.SOL_SOCKET, Platform.SO_REUSEPORT) != 0;
    }

    internal int Fd { get; }

    /// <summary>False for a descriptor that came from outside: it is never closed.</summary>
    internal bool OwnsDescriptor { get; }

    /// <summary>The address that the kernel reports: with the real port where 0 was asked for.</summary>
    internal EndPoint EndPoint { get; }

    /// <summary>
    /// Whether others may listen on the same address: it was made with SO_REUSEPORT, by an option or by the user's
    /// hook.
    /// </summary>
    internal bool SharesPort { get; }

    internal static ListenSocket Create(EndPoint endPoint, ListenerSettings settings)
    {
        try
        {
            return endPoint switch
            {
                FileHandleEndPoint handle => Adopt(handle, settings),
                UnixDomainSocketEndPoint unix => BindUnix(unix, settings.Options),
                IPEndPoint ip => BindIP(ip, settings),
                _ => throw new NotSupportedException($"The event-loop transport cannot bind to '{endPoint}'."),
            };
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            throw new AddressInUseException(exception.Message, exception);
        }
    }

    /// <summary>Whether there may be descriptors of the socket that are not ours.</summary>
    internal bool IsDuplicated { get; set; }

    /// <summary>Whether somebody else has the socket too and may go on with its queue.</summary>
    internal bool IsShared => !OwnsDescriptor || IsDuplicated;

    /// <summary>
    /// A second descriptor of the socket (<c>F_DUPFD</c>, <c>fcntl(2)</c>). Somebody else is to own it: then
    /// <see cref="IsDuplicated"/> is to be set.
    /// </summary>
    internal int Duplicate(bool inheritable)
    {
        var fd = Libc.fcntl(Fd, inheritable ? Posix.F_DUPFD : Platform.F_DUPFD_CLOEXEC, 0);
        Check(fd, "fcntl F_DUPFD");
        return fd;
    }

    /// <summary>
    /// Lets no new client find a Unix socket by its path. A socket that somebody else holds too goes on under its name.
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
        // The file goes first: once the socket is closed, another process may take the path over.
        Unlink();
        if (OwnsDescriptor)
        {
            _ = Libc.close(Fd);
        }
    }

    private static ListenSocket BindIP(IPEndPoint endPoint, ListenerSettings settings)
    {
        var options = settings.Options;
        var isV6 = endPoint.AddressFamily == AddressFamily.InterNetworkV6;
        var fd = CreateSocket(isV6 ? Platform.AF_INET6 : Posix.AF_INET);
        try
        {
            var isDual = options.DualMode ?? endPoint.Address.Equals(IPAddress.IPv6Any);
            SetOptions(fd, SocketOptionList.ForBinding(options, isV6, isDual));
            SetOptions(fd, SocketOptionList.ForListening(options, isV6));
            WarnOfFastOpen(endPoint, settings);
            RunHook(fd, endPoint, options);
            Bind(fd, endPoint);
            Listen(fd, options.Backlog);
            return new ListenSocket(fd, ownsDescriptor: true);
        }
        catch
        {
            _ = Libc.close(fd);
            throw;
        }
    }

    private static ListenSocket BindUnix(UnixDomainSocketEndPoint asked, EndpointOptions options)
    {
        var (user, group) = FindOwner(options.Unix);
        var endPoint = UnixSocketAddress.WithAbstractName(asked);
        var path = UnixSocketFile.PathOf(endPoint);
        if (path is null && !OperatingSystem.IsLinux())
        {
            throw new SocketException(
                (int)SocketError.InvalidArgument, $"bind to {endPoint}: abstract names exist on Linux only");
        }

        var fd = CreateSocket(Posix.AF_UNIX);
        FileIdentity? file = null;
        try
        {
            SetOptions(fd, SocketOptionList.ForAcceptedUnix(options));
            RunHook(fd, endPoint, options);

            // Held until the socket listens: until then it looks stale to others.
            using var directory = path is null ? null : DirectoryLock.TryTake(Path.GetDirectoryName(path)!);
            try
            {
                Bind(fd, endPoint);
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse
                && directory is not null && UnixSocketFile.DeleteIfStale(endPoint, path!))
            {
                Bind(fd, endPoint);
            }

            if (path is not null)
            {
                file = UnixSocketFile.GetIdentity(path);
                UnixSocketFile.SetAccess(path, file, options.Unix.FileMode, user, group);
            }

            Listen(fd, options.Backlog);
            return new ListenSocket(fd, ownsDescriptor: true, path, file);
        }
        catch
        {
            // The file goes first, as in Close.
            if (file is not null)
            {
                UnixSocketFile.Delete(path!, file.Value);
            }

            _ = Libc.close(fd);
            throw;
        }
    }

    private static (uint? User, uint? Group) FindOwner(UnixSocketOptions options)
    {
        uint? user = null;
        uint? group = null;
        if (options.Owner is { } owner)
        {
            user = UserDatabase.FindUser(owner)
                ?? throw new InvalidOperationException($"Unix.{nameof(options.Owner)} is '{owner}': there is no such user.");
        }

        if (options.Group is { } name)
        {
            group = UserDatabase.FindGroup(name)
                ?? throw new InvalidOperationException($"Unix.{nameof(options.Group)} is '{name}': there is no such group.");
        }

        return (user, group);
    }

    /// <summary>A socket that somebody else made and keeps: systemd, a parent process.</summary>
    private static ListenSocket Adopt(FileHandleEndPoint handle, ListenerSettings settings)
    {
        if (!SocketKind.IsServed(handle))
        {
            throw new NotSupportedException($"The event-loop transport serves TCP and Unix stream sockets, and descriptor {handle.FileHandle} is neither.");
        }

        var options = settings.Options;
        var fd = checked((int)handle.FileHandle);
        var address = stackalloc byte[Posix.SockAddrStorageSize];
        uint length = Posix.SockAddrStorageSize;
        Check(Libc.getsockname(fd, address, &length), "getsockname");
        var local = SocketAddressBytes.Span(address, length);

        var flags = Libc.fcntl(fd, Posix.F_GETFL, 0);
        Check(flags, "fcntl F_GETFL");
        Check(Libc.fcntl(fd, Posix.F_SETFL, flags | Platform.O_NONBLOCK), "fcntl F_SETFL");
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
        Listen(fd, options.Backlog);
        return new ListenSocket(fd, ownsDescriptor: false);
    }

    private static int CreateSocket(int family)
    {
        var fd = SocketCalls.Create(family, out var error);
        if (fd < 0)
        {
            throw Errno.ToException(error, "socket");
        }

        return fd;
    }

    private static void SetOptions(int fd, IEnumerable<SocketOption> options)
    {
        foreach (var option in options)
        {
            option.Set(fd);
        }
    }

    /// <summary>The kernel takes the option also where its use is switched off.</summary>
    private static void WarnOfFastOpen(EndPoint endPoint, ListenerSettings settings)
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
            // Not Linux, or /proc is closed: nothing is known.
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
            // Of all exceptions, only this one ends Kestrel's start at once where it has another address to try.
            throw new IOException($"{nameof(options.ConfigureListenSocket)} failed for {endPoint}: {exception.Message}", exception);
        }
        finally
        {
            context.End();
        }
    }

    private static void Bind(int fd, EndPoint endPoint)
    {
        var address = endPoint.Serialize();
        var action = $"bind to {endPoint}";
        fixed (byte* bytes = address.Buffer.Span)
        {
            Check(Libc.bind(fd, bytes, (uint)address.Size), action);
        }
    }

    private static void Listen(int fd, int backlog) => Check(Libc.listen(fd, backlog), "listen");

    private static EndPoint GetLocalEndPoint(int fd)
    {
        var address = stackalloc byte[Posix.SockAddrStorageSize];
        uint length = Posix.SockAddrStorageSize;
        Check(Libc.getsockname(fd, address, &length), "getsockname");
        return SocketAddressBytes.ToEndPoint(SocketAddressBytes.Span(address, length));
    }

    private static int GetOption(int fd, int level, int name)
    {
        int value;
        uint length = sizeof(int);
        return Libc.getsockopt(fd, level, name, &value, &length) == 0 ? value : 0;
    }

    /// <param name="result">What the system call returned, just now: anything in between could change errno.</param>
    /// <param name="action">Names the call, for the message. Made before the call.</param>
    private static void Check(int result, string action)
    {
        if (result < 0)
        {
            throw Errno.ToException(Errno.Last, action);
        }
    }
}
