using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Listening.Balancing;
using KestrelEventLoopTransport.Listening.Takeover;
using KestrelEventLoopTransport.Loops;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// One bound endpoint: its listening sockets, their acceptors and the queue between them and Kestrel.
/// </summary>
/// <remarks>
/// The first of unbind and dispose begins the <see cref="ListenerShutdown"/>. Dispose, or the cancellation of unbind,
/// expedites it.
/// </remarks>
internal sealed class EventLoopListener : IConnectionListener
{
    private readonly ListenerContext _context;
    private readonly ListenSocket[] _sockets;
    private readonly Acceptor[] _acceptors;
    private readonly EventLoopGroup _group;
    private readonly AcceptQueue _queue;
    private readonly ListenerShutdown _shutdown;
    private readonly TcpInfoSampler? _sampler;
    private readonly Action<EventLoopListener> _onStopped;
    private readonly Action _onDisposed;
    private readonly Lock _lock = new();

    // A socket that was passed to the process, or was bound before, has dropped packets for others.
    private readonly long _droppedBefore;
    private Task? _stopped;
    private volatile bool _hasStopped;
    private int _disposed;

    /// <param name="sockets">The listening sockets. The listener owns them.</param>
    /// <param name="group">The loops. The listener owns one reference, taken by the caller.</param>
    /// <param name="context">What the acceptors share.</param>
    /// <param name="onStopped">Called when the listener accepts no more.</param>
    /// <param name="onDisposed">Called when the listener is disposed.</param>
    internal EventLoopListener(
        ListenSocket[] sockets,
        EventLoopGroup group,
        ListenerContext context,
        Action<EventLoopListener> onStopped,
        Action onDisposed)
    {
        EndPoint = sockets[0].EndPoint;
        _context = context;
        _sockets = sockets;
        _droppedBefore = SumDropped(sockets);
        _group = group;
        _onStopped = onStopped;
        _onDisposed = onDisposed;
        _queue = new AcceptQueue(EndPoint, group);
        _sampler = context is { Options.TcpInfoSampling: { } period, TcpInfo: { } metrics }
            ? new TcpInfoSampler(period, metrics, EndPoint)
            : null;
        Limiter = new ConnectionLimiter(group, context.Options.MaxConnections, _sampler);

        var selector = LoopSelector.Create(context.Options, group, EndPoint, context.Logger);
        _acceptors = new Acceptor[sockets.Length];
        for (var i = 0; i < sockets.Length; i++)
        {
            var loop = sockets.Length == 1 ? group.NextForAcceptor() : group.Loops[i];
            _acceptors[i] = new Acceptor(sockets[i], loop, group, context, Limiter, selector, _queue);
        }

        _shutdown = new ListenerShutdown(sockets, _acceptors, Limiter, context.Options.TakeoverPeriod);
    }

    public EndPoint EndPoint { get; }

    /// <summary>Counts and limits the connections.</summary>
    internal ConnectionLimiter Limiter { get; }

    /// <summary>The loops of the connections.</summary>
    internal EventLoopGroup Group => _group;

    /// <summary>Whether the listener has stopped and its last connection has ended: it counts nothing more.</summary>
    internal bool HasEnded => _hasStopped && Limiter.Current == 0;

    /// <summary>Begins to accept. If that fails, the caller has to dispose of the listener.</summary>
    internal void Start()
    {
        Array.ForEach(_acceptors, static acceptor => acceptor.Start());
        var options = _context.Options;
        if (options.TcpInfoSamplingInterval is { } interval)
        {
            _sampler?.Start(interval, _group, Limiter);
        }

        ListenerLog.Listening(
            _context.Logger,
            EndPoint,
            _sockets.Length,
            options.AcceptMode,
            options.Backlog,
            options.MaxConnections,
            options.LoadBalancingPolicy,
            options.ProxyProtocol is { } proxies ? $"{proxies.Versions}" : "off");
    }

    /// <summary>
    /// Adds a second descriptor of each listening socket. False when the listener is stopping. If one descriptor cannot
    /// be duplicated, the caller disposes of those that have been added.
    /// </summary>
    internal bool TryDuplicate(List<SafeSocketHandle> handles, bool inheritable)
    {
        lock (_lock)
        {
            if (_stopped is not null)
            {
                return false;
            }

            foreach (var socket in _sockets)
            {
                handles.Add(new SafeSocketHandle(socket.Duplicate(inheritable), ownsHandle: true));
            }

            foreach (var socket in _sockets)
            {
                socket.IsDuplicated = true;
            }

            return true;
        }
    }

    /// <summary>The kernel's accept queues; null when they are not known, or the listener is stopping.</summary>
    internal KernelQueue? ReadQueue()
    {
        lock (_lock)
        {
            return _stopped is null
                ? KernelQueue.Sum(_sockets.Select(static socket => KernelQueue.Read(socket.Fd)))
                : null;
        }
    }

    /// <summary>The packets that the kernel has dropped, until the listener stopped.</summary>
    internal long CountDropped()
    {
        lock (_lock)
        {
            return Limiter.Counts[ListenerCount.Dropped] + (_stopped is null ? ReadDropped() : 0);
        }
    }

    public ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        => _queue.AcceptAsync(cancellationToken);

    public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        using var registration = cancellationToken.UnsafeRegister(
            static shutdown => ((ListenerShutdown)shutdown!).Expedite(), _shutdown);
        await StopAsync().ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        _shutdown.Expedite();
        await StopAsync().ConfigureAwait(false);
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        while (_queue.TryTakeRemaining(out var connection))
        {
            await connection.DisposeAsync().ConfigureAwait(false);
        }

        _onDisposed();
        if (!_shutdown.Closed.IsCompleted)
        {
            // A hook still runs: its acceptor needs the loop when the hook returns.
            _ = _shutdown.Closed.ContinueWith(_ => _group.Release(), TaskScheduler.Default);
        }
        else if (_group.Release())
        {
            await _group.Stopped.ConfigureAwait(false);
        }
    }

    /// <summary>For the lock's holder, before the sockets are closed.</summary>
    private long ReadDropped() => SumDropped(_sockets) - _droppedBefore;

    private static long SumDropped(ListenSocket[] sockets)
        => OperatingSystem.IsLinux() ? sockets.Sum(static socket => SocketFilter.CountDrops(socket.Fd) ?? 0) : 0;

    private Task StopAsync()
    {
        lock (_lock)
        {
            if (_stopped is null)
            {
                Limiter.Counts.Add(ListenerCount.Dropped, ReadDropped());

                // Not on the calling thread, which may be a loop's.
                _stopped = Task.Run(StopOnceAsync);
            }

            return _stopped;
        }
    }

    private async Task StopOnceAsync()
    {
        try
        {
            await _shutdown.RunAsync(() => _onStopped(this)).ConfigureAwait(false);
        }
        finally
        {
            // Also when the shutdown fails: Kestrel waits for the end of the queue.
            _queue.Complete();
            _sampler?.Dispose();
            _hasStopped = true;
        }
    }
}
