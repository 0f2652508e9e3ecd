using System.Net;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Listening.Balancing;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.ProxyProtocol;

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
    private readonly EndPoint? _localEndPoint = CommonLocalEndPoint(socket, context.Options);

    /// <summary>
    /// Sets options and runs the user's hook, before anything is read. False when the hook refused the connection or
    /// something failed: then the descriptor is closed.
    /// </summary>
    internal bool TryAdmit(int fd, ReadOnlySpan<byte> remoteAddress)
    {
        var isAdmitted = false;
        try
        {
            isAdmitted = TryConfigure(fd, remoteAddress);
        }
        finally
        {
            if (!isAdmitted)
            {
                limiter.Counts.Increment(ListenerCount.Refused);
                context.CloseUnused(fd, withReset: false);
            }
        }

        return isAdmitted;
    }

    /// <summary>
    /// Makes a connection and starts it on its loop. Null when the loops are stopping. Without a connection, the
    /// descriptor is closed.
    /// </summary>
    /// <param name="fd">The accepted socket.</param>
    /// <param name="remoteAddress">The peer's address, as <c>accept(2)</c> gave it.</param>
    /// <param name="header">The PROXY header, if the connection has begun with one: the loop is chosen for the
    /// client that it names.</param>
    internal StreamConnection? Create(int fd, ReadOnlySpan<byte> remoteAddress, ProxyProtocolHeader? header)
    {
        EventLoop? loop = null;
        var isReferenced = false;
        var isStarted = false;
        try
        {
            isReferenced = group.TryAddReference();
            if (!isReferenced)
            {
                return null;
            }

            var client = header?.Source is { } source ? SocketAddressBytes.OfEndPoint(source) : remoteAddress;
            var assignment = new LoadBalancingContext(group.Loads, acceptingLoop.Index, client);
            loop = group.Loops[selector.Assign(assignment)];
            var connection = new StreamConnection(
                fd, loop, limiter, context.Connections, remoteAddress, _localEndPoint);
            if (header is not null)
            {
                ProxyProtocolFeature.Add(connection, header);
            }

            connection.Register();
            isStarted = true;
            connection.OnAccepted();
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

                context.CloseUnused(fd, withReset: false);
            }
        }
    }

    /// <summary>
    /// Closes a descriptor with a reset. A FIN would look like an empty answer and leave a TIME_WAIT behind.
    /// </summary>
    internal void Refuse(int fd)
    {
        limiter.Counts.Increment(ListenerCount.Refused);
        context.CloseUnused(fd, withReset: true);
        ListenerLog.ConnectionRefused(context.Logger, socket.EndPoint, context.Options.MaxConnections!.Value);
    }

    /// <summary>Sets the options that accepted sockets do not inherit, and runs the user's hook.</summary>
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
