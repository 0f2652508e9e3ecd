using KestrelEventLoopTransport.Listening.Takeover;

namespace KestrelEventLoopTransport.Listening;

/// <summary>Stops a listener. The methods are the steps, in the order of <see cref="RunAsync"/>.</summary>
/// <param name="sockets">The listening sockets.</param>
/// <param name="acceptors">Their acceptors.</param>
/// <param name="limiter">Counts the connections.</param>
/// <param name="period">
/// How long the listener stays open for the takeover of its port. With zero there is no takeover.
/// </param>
internal sealed class ListenerShutdown(
    ListenSocket[] sockets, Acceptor[] acceptors, ConnectionLimiter limiter, TimeSpan period)
{
    private const int TakeoverRounds = 3;

    private static readonly TimeSpan _longestHook = TimeSpan.FromSeconds(1);

    private readonly TaskCompletionSource _expedited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IReusePortSteering _steering
        = ReusePortSteering.Create(Array.ConvertAll(sockets, static socket => socket.Fd), sockets[0].EndPoint);

    /// <summary>
    /// Completes when the sockets are closed. That can be later than the shutdown: a socket stays open while a hook
    /// runs that was called for one of its connections.
    /// </summary>
    internal Task Closed { get; private set; } = Task.CompletedTask;

    /// <summary>Cuts the takeover short and waits at most a second for a hook that runs. Any thread.</summary>
    internal void Expedite() => _expedited.TrySetResult();

    /// <param name="onDrained">Called when the listener accepts no more, before its sockets are closed.</param>
    internal async Task RunAsync(Action onDrained)
    {
        await LetOthersTakeOverAsync().ConfigureAwait(false);
        UnlinkFiles();
        await DrainAsync().ConfigureAwait(false);
        onDrained();
        _steering.Stop();
        await CloseAsync().ConfigureAwait(false);
        await AbandonAsync().ConfigureAwait(false);
    }

    /// <summary>
    /// If others serve the same address, sends new connections to them and waits for the takeover period.
    /// </summary>
    /// <remarks>
    /// A plain close would fail two kinds of clients: those whose handshake with one of our sockets has begun, because
    /// the other sockets do not know of it, and those whose connection is accepted but whose first request has not
    /// arrived, because Kestrel closes idle connections as soon as it stops accepting. Both need a little time in which
    /// no new connections come.
    /// </remarks>
    private async Task LetOthersTakeOverAsync()
    {
        if (period == TimeSpan.Zero)
        {
            return;
        }

        if (sockets[0].IsShared)
        {
            // The others accept from the same queue.
            _ = StopAcceptors();
            await WaitAsync(period).ConfigureAwait(false);
        }
        else if (sockets[0].SharesPort)
        {
            await LeavePortAsync().ConfigureAwait(false);
        }
    }

    private async Task LeavePortAsync()
    {
        var accepted = -1L;
        for (var round = 1; round < TakeoverRounds && !_expedited.Task.IsCompleted; round++)
        {
            // Connections still came in the last round: another socket has joined, has left, or steers too.
            if (accepted != limiter.Counts[ListenerCount.Accepted])
            {
                accepted = limiter.Counts[ListenerCount.Accepted];
                if (!_steering.MayHaveOthers())
                {
                    return;
                }

                _steering.SteerToOthers();
            }

            await WaitAsync(period / TakeoverRounds).ConfigureAwait(false);
        }

        if (!_expedited.Task.IsCompleted)
        {
            // A handshake that began now would be reset at the end. Its client tries again instead, elsewhere.
            _steering.DropNewHandshakes();
            await WaitAsync(period / TakeoverRounds).ConfigureAwait(false);
        }
    }

    /// <summary>New clients no longer find a Unix socket by its path.</summary>
    private void UnlinkFiles() => Array.ForEach(sockets, static socket => socket.Unlink());

    /// <summary>Accepts what is in the kernel's queues.</summary>
    private Task DrainAsync()
        => WaitForHooksAsync(Task.WhenAll(Array.ConvertAll(acceptors, static acceptor => Task.Run(acceptor.Drain))));

    private Task CloseAsync()
    {
        Closed = StopAcceptors();
        return WaitForHooksAsync(Closed);
    }

    /// <summary>Gives up connections for which a hook still runs, and those that wait for a PROXY header.</summary>
    private Task AbandonAsync()
        => WaitForHooksAsync(Task.WhenAll(Array.ConvertAll(acceptors, static acceptor => acceptor.AbandonAsync())));

    private Task StopAcceptors() => Task.WhenAll(Array.ConvertAll(acceptors, static acceptor => acceptor.Stop()));

    /// <summary>
    /// Waits for acceptors that may be inside the user's hook or policy, which may never return. Once the shutdown is
    /// expedited, the wait ends after a second.
    /// </summary>
    private async Task WaitForHooksAsync(Task task)
    {
        await Task.WhenAny(task, _expedited.Task).ConfigureAwait(false);
        await task.WaitAsync(_longestHook).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task WaitAsync(TimeSpan time)
        => await _expedited.Task.WaitAsync(time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
}
