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
/// It listens; then, where others serve the same address, hands over to them (<see cref="HandOverAsync"/>); then
/// accepts what has come in and closes. The first of unbind and dispose begins that. Dispose, or the cancellation of
/// unbind, cuts the handing over short and waits for no hook.
/// </remarks>
internal sealed class EventLoopListener : IConnectionListener
{
    private const int HandOverRounds = 3;

    private static readonly TimeSpan _longestHook = TimeSpan.FromSeconds(1);

    private readonly ListenSocket[] _sockets;
    private readonly Acceptor[] _acceptors;
    private readonly EventLoopGroup _group;
    private readonly ListenerSettings _settings;
    private readonly AcceptQueue _queue;
    private readonly Action<EventLoopListener> _onStopped;
    private readonly TaskCompletionSource _hurry = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private Task? _stopped;
    private Task _closed = Task.CompletedTask;
    private bool _steers;
    private int _disposed;

    /// <param name="sockets">The listening sockets; the listener owns them.</param>
    /// <param name="group">The loops. The listener owns one reference, taken by the caller.</param>
    /// <param name="settings">The settings for this endpoint.</param>
    /// <param name="onStopped">Called when it listens no more.</param>
    internal EventLoopListener(
        ListenSocket[] sockets,
        EventLoopGroup group,
        ListenerSettings settings,
        Action<EventLoopListener> onStopped)
    {
        EndPoint = sockets[0].EndPoint;
        _sockets = sockets;
        _group = group;
        _settings = settings;
        _onStopped = onStopped;
        _queue = new AcceptQueue(EndPoint, group);
        Account = new ListenerAccount(group, settings.Options.MaxConnections);

        var selector = LoopSelector.Create(settings.Options, group, EndPoint, settings.Logger);
        _acceptors = new Acceptor[sockets.Length];
        for (var i = 0; i < sockets.Length; i++)
        {
            var loop = sockets.Length == 1 ? group.NextForAcceptor() : group.Loops[i];
            _acceptors[i] = new Acceptor(sockets[i], loop, group, settings, Account, selector, _queue);
        }
    }

    public EndPoint EndPoint { get; }

    /// <summary>The connections, counted.</summary>
    internal ListenerAccount Account { get; }

    /// <summary>Begins to accept. When that fails, the listener is to be disposed of.</summary>
    internal void Start()
    {
        foreach (var acceptor in _acceptors)
        {
            acceptor.Start();
        }
    }

    /// <summary>
    /// Adds a second descriptor of each of the listening sockets. False when they are closed. Either there are all in
    /// the end or, as the caller disposes of those that have been added, none.
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

    public ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        => _queue.AcceptAsync(cancellationToken);

    public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        using var registration = cancellationToken.UnsafeRegister(
            static listener => ((EventLoopListener)listener!)._hurry.TrySetResult(), this);
        await StopAsync().ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        _hurry.TrySetResult();
        await StopAsync().ConfigureAwait(false);
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        while (_queue.TryTakeLeft(out var connection))
        {
            await connection.DisposeAsync().ConfigureAwait(false);
        }

        if (!_closed.IsCompleted)
        {
            // A hook that has not returned: its acceptor needs the loop then.
            _ = _closed.ContinueWith(_ => _group.Release(), TaskScheduler.Default);
        }
        else if (_group.Release())
        {
            await _group.Stopped.ConfigureAwait(false);
        }
    }

    private Task StopAsync()
    {
        lock (_lock)
        {
            // Not on the caller's thread: that may be a loop's.
            return _stopped ??= Task.Run(StopOnceAsync);
        }
    }

    private async Task StopOnceAsync()
    {
        try
        {
            await StopAcceptorsAsync().ConfigureAwait(false);
        }
        finally
        {
            // Whatever happened: Kestrel waits for it.
            _queue.Complete();
        }
    }

    private async Task StopAcceptorsAsync()
    {
        await HandOverAsync().ConfigureAwait(false);
        foreach (var socket in _sockets)
        {
            socket.Unlink();
        }

        await WaitForHooksAsync(Task.WhenAll(_acceptors.Select(static acceptor => Task.Run(acceptor.Drain)))).ConfigureAwait(false);
        _onStopped(this);
        if (_steers)
        {
            // The program would outlive us in the sockets of the others.
            SocketFilter.SelectAllListeners(_sockets[0].Fd);
        }

        _closed = Task.WhenAll(_acceptors.Select(static acceptor => acceptor.Stop()));
        await WaitForHooksAsync(_closed).ConfigureAwait(false);
        foreach (var acceptor in _acceptors)
        {
            acceptor.Abandon();
        }
    }

    /// <summary>
    /// The user's hook or policy may be running, and never return: who is in a hurry does not wait for it.
    /// </summary>
    private async Task WaitForHooksAsync(Task task)
    {
        await Task.WhenAny(task, _hurry.Task).ConfigureAwait(false);
        await task.WaitAsync(_longestHook).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>
    /// Sends new connections to the others that serve the address, if there are any, and waits a little.
    /// </summary>
    /// <remarks>
    /// Two things would fail at a plain close: a connection whose handshake has begun with our socket, for which the
    /// others know nothing, and one that Kestrel has just got, whose first request has not come yet: Kestrel closes
    /// idle connections as soon as nothing accepts any more. Both need a little time without new connections.
    /// </remarks>
    private async Task HandOverAsync()
    {
        var period = _settings.Options.TakeoverPeriod;
        if (period == TimeSpan.Zero)
        {
            return;
        }

        if (_sockets[0].IsShared)
        {
            // The others accept from the same queue.
            foreach (var acceptor in _acceptors)
            {
                _ = acceptor.Stop();
            }

            await WaitAsync(period).ConfigureAwait(false);
            return;
        }

        if (!_sockets[0].SharesPort)
        {
            return;
        }

        var accepted = -1L;
        for (var round = 1; round <= HandOverRounds && !_hurry.Task.IsCompleted; round++)
        {
            if (round == HandOverRounds)
            {
                // What still comes would be reset at the end: its client begins again instead, with somebody else.
                Array.ForEach(_sockets, static socket => SocketFilter.DropNewHandshakes(socket.Fd));
            }
            else if (accepted != Account.Accepted)
            {
                // Connections that still come: somebody has joined, left, or stops too.
                accepted = Account.Accepted;
                if (!PortGroup.MayHaveOthers(_sockets))
                {
                    return;
                }

                _steers |= PortGroup.SteerToOthers(_sockets);
            }

            await WaitAsync(period / HandOverRounds).ConfigureAwait(false);
        }
    }

    private async Task WaitAsync(TimeSpan time)
        => await _hurry.Task.WaitAsync(time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
}
