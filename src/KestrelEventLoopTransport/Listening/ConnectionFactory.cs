using System.Net;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Connections.Lingering;
using KestrelEventLoopTransport.Listening.Balancing;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Listening;

/// <summary>Makes connections of accepted descriptors, and closes descriptors that become none.</summary>
/// <param name="socket">The listening socket.</param>
/// <param name="acceptingLoop">The loop that accepts.</param>
/// <param name="group">The loops that get the connections.</param>
/// <param name="context">What the acceptors of the listener share.</param>
/// <param name="limiter">Counts the connections.</param>
/// <param name="selector">Assigns connections to loops.</param>
internal sealed class ConnectionFactory(
    ListenSocket socket,
    EventLoop acceptingLoop,
    EventLoopGroup group,
    ListenerContext context,
    ConnectionLimiter limiter,
    LoopSelector selector)
{
    private static readonly SocketOption _noLinger
        = new("SO_LINGER off", Platform.SOL_SOCKET, Platform.SO_LINGER, new byte[2 * sizeof(int)]);

    private readonly EndPoint? _localEndPoint = CommonLocalEndPoint(socket, context.Options);

    /// <summary>
    /// Makes a connection and starts it on its loop. Null when the user's hook refused it or the loops are stopping.
    /// Without a connection, the descriptor is closed.
    /// </summary>
    internal StreamConnection? Create(int fd, ReadOnlySpan<byte> remoteAddress)
    {
        EventLoop? loop = null;
        var isReferenced = false;
        var isStarted = false;
        try
        {
            if (!TryConfigure(fd, remoteAddress))
            {
                limiter.CountRefused();
                return null;
            }

            isReferenced = group.TryAddReference();
            if (!isReferenced)
            {
                return null;
            }

            var assignment = new LoadBalancingContext(group.Loads, acceptingLoop.Index, remoteAddress);
            loop = group.Loops[selector.Assign(assignment)];
            var connection = new StreamConnection(
                fd, loop, limiter, context.Connections, remoteAddress, _localEndPoint);
            connection.Register();
            isStarted = true;
            connection.EndStart();
            return connection;
        }
        finally
        {
            if (!isStarted)
            {
                loop?.Load.Undo();
                if (isReferenced)
                {
                    group.Release();
                }

                CloseUnused(fd);
            }
        }
    }

    /// <summary>
    /// Closes a descriptor with a reset. A FIN would look like an empty answer and leave a TIME_WAIT behind.
    /// </summary>
    internal void Refuse(int fd)
    {
        limiter.CountRefused();
        LingerOption.MakeCloseReset(fd);
        _ = Libc.close(fd);
        ListenerLog.ConnectionRefused(context.Logger, socket.EndPoint, context.Options.MaxConnections!.Value);
    }

    /// <summary>
    /// Sets the options that accepted sockets do not inherit and runs the user's hook, before anything is read. False
    /// when the hook refused the connection or something failed.
    /// </summary>
    private bool TryConfigure(int fd, ReadOnlySpan<byte> remoteAddress)
    {
        try
        {
            var isUnix = SocketAddressBytes.IsUnix(remoteAddress);
            foreach (var option in isUnix ? context.AcceptedUnixOptions : context.AcceptedIPOptions)
            {
                option.Set(fd);
            }

            return context.Options.ConfigureAcceptedSocket is null
                || RunHook(
                    context.Options.ConfigureAcceptedSocket,
                    new AcceptedSocketContext(fd, socket.EndPoint, remoteAddress));
        }
        catch (Exception exception)
        {
            ListenerLog.ConfigureAcceptedSocketFailed(context.Logger, socket.EndPoint, exception);
            return false;
        }
    }

    /// <summary>Closes a descriptor. Does not wait, whatever SO_LINGER says.</summary>
    private void CloseUnused(int fd)
    {
        if (context.Connections.CloseMayWait)
        {
            _ = _noLinger.TrySet(fd);
        }

        _ = Libc.close(fd);
    }

    private static bool RunHook(Action<AcceptedSocketContext> hook, AcceptedSocketContext accepted)
    {
        // What the hook sets there (async locals, culture) must not reach the next hook or the loop's callbacks.
        var executionContext = ExecutionContext.Capture();
        try
        {
            hook(accepted);
            return !accepted.IsRefused;
        }
        finally
        {
            accepted.End();
            if (executionContext is not null)
            {
                ExecutionContext.Restore(executionContext);
            }
        }
    }

    /// <summary>
    /// The local endpoint of all connections, or null when each has its own: behind a wildcard address, and behind any
    /// address if a hook or another process may have set IP_TRANSPARENT (<c>ip(7)</c>).
    /// </summary>
    private static EndPoint? CommonLocalEndPoint(ListenSocket socket, EndpointOptions options)
    {
        var mayBeTransparent = options.ConfigureListenSocket is not null || !socket.OwnsDescriptor;
        return socket.EndPoint is IPEndPoint ip
            && (mayBeTransparent || ip.Address.Equals(IPAddress.Any) || ip.Address.Equals(IPAddress.IPv6Any))
                ? null
                : socket.EndPoint;
    }
}
