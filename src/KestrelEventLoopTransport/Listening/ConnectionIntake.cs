using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Native;
using KestrelEventLoopTransport.ProxyProtocol;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// Accepts one connection after the other and puts them into the queue, within the limits of the listener. Belongs to
/// the accepting thread of an <see cref="Acceptor"/>, but for what says otherwise.
/// </summary>
/// <param name="acceptor">The acceptor, which goes on when a hold ends.</param>
/// <param name="socket">The listening socket.</param>
/// <param name="options">The options of the endpoint.</param>
/// <param name="limiter">Counts and limits the connections.</param>
/// <param name="factory">Makes connections of descriptors.</param>
/// <param name="hold">Says when not to accept.</param>
/// <param name="queue">Gets the connections.</param>
/// <param name="proxies">Receives PROXY headers; null when connections have none.</param>
internal sealed unsafe class ConnectionIntake(
    Acceptor acceptor,
    ListenSocket socket,
    EndpointOptions options,
    ConnectionLimiter limiter,
    ConnectionFactory factory,
    AcceptHold hold,
    AcceptQueue queue,
    ProxyIntake? proxies)
{
    // At the limit, either the acceptor waits before it accepts, or the connection is refused after it was accepted.
    private readonly bool _waitsForRoom
        = options.MaxConnections is not null && options.MaxConnectionsPolicy == MaxConnectionsPolicy.Pause;

    private readonly Lock _queueLock = new();
    private UntakenConnections _untaken = new(options.AcceptBatchSize);
    private int _drainLeft;
    private bool _isAbandoned;
    private volatile bool _isDraining;

    /// <summary>Any thread.</summary>
    internal bool IsDraining => _isDraining;

    /// <summary>From now on accepts without holds, but not endlessly. The stopping thread.</summary>
    internal void BeginDrain()
    {
        // The kernel's queue cannot hold more than that. What comes in during the drain does not count.
        _drainLeft = Math.Min(options.Backlog, int.MaxValue - 1) + 1;
        _isDraining = true;
    }

    /// <summary>
    /// Queues no more connections. One that a hook may still let through is closed. The task completes when those that
    /// wait for a PROXY header are closed. Any thread.
    /// </summary>
    internal Task AbandonAsync()
    {
        lock (_queueLock)
        {
            _isAbandoned = true;
        }

        return proxies?.Stop() ?? Task.CompletedTask;
    }

    /// <summary>The application has taken a connection, which may end a hold. Any thread.</summary>
    internal void OnTaken()
    {
        if (_untaken.Remove())
        {
            acceptor.GoOn();
        }
    }

    /// <summary>Accepts once. Returns whether there may be more.</summary>
    /// <param name="isAdded">Becomes true when a connection was accepted that keeps its room.</param>
    internal bool Accept(ref bool isAdded)
    {
        if (!_isDraining && proxies?.TakeFailure() is { } failure)
        {
            // As if the accept had failed that the connection came from.
            hold.OnFailure(failure);
            return false;
        }

        if (!MayAccept() || (_waitsForRoom && !hold.TryEnter(_isDraining)))
        {
            return false;
        }

        try
        {
            var address = stackalloc byte[Posix.SockAddrStorageSize];
            uint length = Posix.SockAddrStorageSize;
            var fd = SocketCalls.Accept(socket.Fd, address, &length, out var error);
            if (fd < 0)
            {
                return hold.OnAcceptFailed(error);
            }

            hold.OnAccepted();
            return TryAdd(fd, SocketAddressBytes.Span(address, length), ref isAdded);
        }
        finally
        {
            if (_waitsForRoom && !isAdded)
            {
                limiter.Leave();
            }
        }
    }

    /// <summary>False when the acceptor is on hold.</summary>
    private bool MayAccept()
    {
        if (_isDraining)
        {
            return --_drainLeft >= 0;
        }

        // New connections make edges during a pause too.
        return !hold.IsPaused && !IsFull();
    }

    /// <summary>Whether the application has to take connections before more are accepted.</summary>
    private bool IsFull()
    {
        var isFull = _untaken.TryHold(out var isNew);
        if (isNew)
        {
            limiter.Counts.Increment(ListenerCount.UntakenPauses);
        }

        return isFull;
    }

    /// <summary>
    /// Makes a connection of an accepted descriptor, or closes it. Returns whether accepting may go on.
    /// </summary>
    private bool TryAdd(int fd, ReadOnlySpan<byte> remoteAddress, ref bool isAdded)
    {
        if (!_waitsForRoom && !limiter.TryEnter())
        {
            factory.Refuse(fd);
            return true;
        }

        try
        {
            ProxyProtocolHeader? header = null;
            if (factory.TryAdmit(fd, remoteAddress)
                && (proxies is null || proxies.TryReceive(fd, remoteAddress, ref isAdded, out header)))
            {
                Add(fd, remoteAddress, header, ref isAdded);
                hold.OnAdded();
            }

            return true;
        }
        catch (Exception exception)
        {
            // No memory, or no room for one more descriptor in the poller.
            if (!isAdded)
            {
                proxies?.OnFailed(remoteAddress, exception);
            }

            hold.OnFailure(exception);
            return false;
        }
        finally
        {
            if (!_waitsForRoom && !isAdded)
            {
                limiter.Leave();
            }
        }
    }

    /// <summary>
    /// Makes a connection of a descriptor and puts it into the queue. Without a connection, the descriptor is closed.
    /// Any thread.
    /// </summary>
    /// <param name="fd">The accepted socket.</param>
    /// <param name="remoteAddress">The peer's address, as <c>accept(2)</c> gave it.</param>
    /// <param name="header">The PROXY header, if there is one.</param>
    /// <param name="isAdded">Becomes true when there is a connection: from now on its end makes room.</param>
    internal void Add(
        int fd, ReadOnlySpan<byte> remoteAddress, ProxyProtocolHeader? header, ref bool isAdded)
    {
        if (factory.Create(fd, remoteAddress, header) is { } connection)
        {
            isAdded = true;
            limiter.Counts.Increment(ListenerCount.Accepted);
            Enqueue(connection);
        }
    }

    /// <summary>Puts a connection into the queue, or closes it if the application takes no more.</summary>
    internal void Enqueue(StreamConnection connection)
    {
        _untaken.Add();
        var isQueued = false;
        try
        {
            isQueued = TryEnqueue(connection);
        }
        finally
        {
            if (!isQueued)
            {
                OnTaken();
                connection.Abort();
                _ = connection.DisposeAsync().AsTask();
            }
        }
    }

    /// <summary>False when the acceptor is abandoned: the application takes no more connections.</summary>
    private bool TryEnqueue(StreamConnection connection)
    {
        lock (_queueLock)
        {
            if (_isAbandoned)
            {
                return false;
            }

            queue.Add(connection, this);
            return true;
        }
    }
}
