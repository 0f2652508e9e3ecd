using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Dialing;

/// <summary>
/// Opens the connections of one client. The loops start with the first one and run until the client is closed, so that
/// connections that come one after the other do not start them again. Thread-safe.
/// </summary>
/// <param name="context">What its dials share.</param>
/// <param name="acquire">Returns the loops, with a reference for the caller.</param>
internal sealed unsafe class Dialer(DialContext context, Func<EventLoopGroup> acquire)
{
    private readonly Lock _lock = new();

    // With a reference to its group.
    private DialedConnections? _connections;
    private bool _isClosed;

    /// <summary>The loop that the calling thread runs, or <see langword="null"/>. May start the loops.</summary>
    internal EventLoop? FindCurrent() => Open() is { } connections ? FindCurrent(connections.Group) : null;

    /// <summary>The loop of a feature, or <see langword="null"/> if it is of others. May start the loops.</summary>
    internal EventLoop? Find(IEventLoopFeature feature)
        => Open() is { } connections ? Find(connections.Group, feature) : null;

    /// <summary>Connects to an IP address, a name or a Unix socket.</summary>
    /// <param name="target">What to connect to.</param>
    /// <param name="options">What this call does differently; <see langword="null"/> for nothing.</param>
    /// <param name="cancellationToken">Gives the dial up.</param>
    /// <exception cref="ObjectDisposedException">The client is closed.</exception>
    internal Task<ConnectionContext> ConnectAsync(
        EndPoint target, EventLoopConnectOptions? options, CancellationToken cancellationToken)
    {
        var connections = Acquire();
        try
        {
            if (options is not null)
            {
                connections = connections.With(options);
            }

            var dial = new Dial(connections, ChooseLoop(connections.Group, options?.Loop), Normalize(target));
            return dial.RunAsync(cancellationToken);
        }
        catch
        {
            // The constructor threw: RunAsync does not.
            connections.Group.Release();
            throw;
        }
    }

    /// <summary>
    /// Gives the loops up. Connections and dials keep them until they end. Completes at once, or, if nothing else needs
    /// the loops, when their threads have ended.
    /// </summary>
    internal Task CloseAsync()
    {
        DialedConnections? connections;
        lock (_lock)
        {
            _isClosed = true;
            connections = _connections;
            _connections = null;
        }

        return connections is not null && connections.Group.Release()
            ? connections.Group.Stopped
            : Task.CompletedTask;
    }

    /// <summary>Makes a connection of a socket that is connected already. Its descriptor is duplicated.</summary>
    /// <param name="socket">The descriptor.</param>
    /// <param name="isShared">Whether the application keeps its own.</param>
    /// <param name="loop">The loop that is wanted; <see langword="null"/> for any.</param>
    /// <exception cref="SocketException">The descriptor is not a connected socket.</exception>
    /// <exception cref="NotSupportedException">It is not a TCP or Unix stream socket.</exception>
    /// <exception cref="ObjectDisposedException">The client is closed.</exception>
    internal StreamConnection Enroll(int socket, bool isShared, IEventLoopFeature? loop = null)
    {
        if (!SocketKind.IsServed(new FileHandleEndPoint((ulong)socket, FileHandleType.Auto)))
        {
            throw new NotSupportedException(
                $"Descriptor {socket} is not a TCP or Unix stream socket. Event loops serve no others.");
        }

        var address = stackalloc byte[Posix.SockAddrStorageSize];
        uint length = Posix.SockAddrStorageSize;
        SocketCalls.Check(Libc.getpeername(socket, address, &length), "getpeername");
        var fd = SocketCalls.DuplicateNonBlocking(socket);
        DialedConnections? connections = null;
        StreamConnection? connection = null;
        try
        {
            connections = Acquire();
            connection = connections.Create(
                fd,
                token: 0,
                ChooseLoop(connections.Group, loop),
                SocketAddressBytes.Span(address, length),
                isShared: isShared);
            return connection;
        }
        finally
        {
            if (connection is null)
            {
                // The caller has a descriptor of the same socket: SO_LINGER is its own, and this close does not wait.
                _ = Libc.close(fd);
                context.OnDescriptorClosed();
                connections?.Group.Release();
            }
        }
    }

    /// <summary>The client's loops. The caller gets a reference and has to release it.</summary>
    /// <exception cref="ObjectDisposedException">The client is closed.</exception>
    internal EventLoopGroup AcquireLoops() => Acquire().Group;

    /// <summary>The client's connections, without a reference; <see langword="null"/> when it is closed.</summary>
    private DialedConnections? Open()
    {
        if (Volatile.Read(ref _connections) is { } connections)
        {
            return connections;
        }

        // Those of a server run before the client's first connection, and a handler is on one of them.
        lock (_lock)
        {
            return _isClosed ? null : Connections();
        }
    }

    /// <summary>The client's connections, with a reference to the loops for the caller.</summary>
    private DialedConnections Acquire()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);

            // It succeeds: the client has a reference.
            var connections = Connections();
            connections.Group.TryAddReference();
            return connections;
        }
    }

    /// <summary>Under the lock. With the first call the client gets its reference to the loops.</summary>
    private DialedConnections Connections()
    {
        if (_connections is null)
        {
            _connections = new DialedConnections(acquire(), context);
            context.Metrics.OnLoops(_connections.Group);
        }

        return _connections;
    }

    private EventLoop ChooseLoop(EventLoopGroup group, IEventLoopFeature? wanted)
        => (wanted is not null ? Find(group, wanted) : null)
            ?? (context.Options.PrefersCallingLoop ? FindCurrent(group) : null)
            ?? group.Next();

    private static EventLoop? Find(EventLoopGroup group, IEventLoopFeature feature)
    {
        foreach (var loop in group.Loops)
        {
            if (loop.Feature == feature)
            {
                return loop;
            }
        }

        return null;
    }

    private static EventLoop? FindCurrent(EventLoopGroup group)
    {
        foreach (var loop in group.Loops)
        {
            if (loop.IsCurrent)
            {
                return loop;
            }
        }

        return null;
    }

    private static EndPoint Normalize(EndPoint target) => target switch
    {
        DnsEndPoint name when IPAddress.TryParse(name.Host, out var address) => new IPEndPoint(address, name.Port),
        UnixDomainSocketEndPoint unix => UnixSocketAddress.WithAbstractName(unix),
        _ => target,
    };
}
