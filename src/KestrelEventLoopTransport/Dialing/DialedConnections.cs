using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Dialing;

/// <summary>
/// The connections that a client has opened on one group of loops. Each holds two references to the group: one until it
/// is disposed, and one until its descriptor is closed, which may linger longer.
/// </summary>
/// <param name="group">The loops.</param>
/// <param name="context">What their dials share.</param>
internal sealed class DialedConnections(EventLoopGroup group, DialContext context) : IConnectionOwner
{
    internal EventLoopGroup Group => group;

    internal DialContext Context => context;

    /// <summary>The connections of one call, on the same loops.</summary>
    internal DialedConnections With(EventLoopConnectOptions call) => new(group, context.With(call));

    /// <summary>
    /// Makes a connection of a connected socket and starts it on its loop. The caller's reference to the group becomes
    /// the connection's. If it throws, the caller keeps the descriptor and the reference.
    /// </summary>
    /// <param name="fd">The connected, non-blocking socket.</param>
    /// <param name="token">What the loop knows the socket by, if it polls it already; else 0.</param>
    /// <param name="loop">The loop. Its thread is the caller if it polls the socket already.</param>
    /// <param name="remoteAddress">The peer's address.</param>
    /// <param name="localAddress">The own IP address, if it is known.</param>
    /// <param name="isShared">Whether the application keeps another descriptor of the same file.</param>
    internal StreamConnection Create(
        int fd,
        ulong token,
        EventLoop loop,
        ReadOnlySpan<byte> remoteAddress,
        in SocketAddressBytes localAddress = default,
        bool isShared = false)
    {
        loop.Load.Add();
        try
        {
            var localEndPoint = SocketAddressBytes.IsUnix(remoteAddress) ? SocketCalls.GetLocalEndPoint(fd) : null;
            var connection = new StreamConnection(
                fd, loop, this, context.Connections, remoteAddress, localEndPoint, localAddress);
            if (isShared)
            {
                connection.MarkShared();
            }

            if (token == 0)
            {
                connection.Register();
            }
            else
            {
                connection.RegisterConnected(token);
            }

            // The caller's reference keeps the group, and until the start has ended no descriptor is closed.
            group.TryAddReference();
            connection.OnDialed();
            connection.EndStart();
            return connection;
        }
        catch
        {
            loop.Load.Undo();
            if (token != 0)
            {
                loop.Unregister(token);
            }

            throw;
        }
    }

    // Not before: a lingering socket needs its loop to receive what the peer still sends.
    public void OnDescriptorClosed()
    {
        context.OnDescriptorClosed();
        group.Release();
    }

    public void OnClosed(StreamConnection connection)
    {
        context.Metrics.AddBytes(connection);
        connection.Loop.Load.Remove();
    }

    // Not before: there may be no listener, and the loop takes its memory along when it ends.
    public void OnFinished() => group.Release();
}
