using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Dialing;

/// <summary>Opens the connections of one client. Thread-safe.</summary>
/// <param name="context">What its dials share.</param>
/// <param name="acquire">Returns the loops, with a reference for the caller.</param>
internal sealed unsafe class Dialer(DialContext context, Func<EventLoopGroup> acquire)
{
    private DialedConnections? _connections;

    /// <summary>Connects to an IP address, a name or a Unix socket.</summary>
    internal Task<ConnectionContext> ConnectAsync(EndPoint target, CancellationToken cancellationToken)
    {
        var connections = Acquire();
        try
        {
            var dial = new Dial(context, connections, ChooseLoop(connections.Group), Normalize(target));
            return dial.RunAsync(cancellationToken);
        }
        catch
        {
            // The constructor threw: RunAsync does not.
            connections.Group.Release();
            throw;
        }
    }

    /// <summary>Makes a connection of a socket that is connected already. Its descriptor is duplicated.</summary>
    /// <param name="socket">The descriptor.</param>
    /// <param name="isShared">Whether the application keeps its own.</param>
    /// <exception cref="SocketException">The descriptor is not a connected socket.</exception>
    /// <exception cref="NotSupportedException">It is not a TCP or Unix stream socket.</exception>
    internal StreamConnection Enroll(int socket, bool isShared)
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
                ChooseLoop(connections.Group),
                SocketAddressBytes.Span(address, length),
                isShared);
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

    /// <summary>The connections of the group of loops that runs now, with a reference to it.</summary>
    private DialedConnections Acquire()
    {
        var group = acquire();
        var connections = Volatile.Read(ref _connections);
        if (connections?.Group != group)
        {
            connections = new DialedConnections(group, context);
            Volatile.Write(ref _connections, connections);
        }

        return connections;
    }

    private EventLoop ChooseLoop(EventLoopGroup group)
    {
        if (context.Options.PrefersCallingLoop)
        {
            foreach (var loop in group.Loops)
            {
                if (loop.IsCurrent)
                {
                    return loop;
                }
            }
        }

        return group.Next();
    }

    private static EndPoint Normalize(EndPoint target) => target switch
    {
        DnsEndPoint name when IPAddress.TryParse(name.Host, out var address) => new IPEndPoint(address, name.Port),
        UnixDomainSocketEndPoint unix => UnixSocketAddress.WithAbstractName(unix),
        _ => target,
    };
}
