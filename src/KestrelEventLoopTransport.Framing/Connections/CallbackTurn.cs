using System.Threading.Tasks.Sources;
using static KestrelEventLoopTransport.Framing.Connections.TurnFlags;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>Makes a connection's callbacks take turns, without a thread that waits.</summary>
/// <remarks>
/// Two parties run callbacks: the reading loop, and a work item of the thread pool that runs ticks and wakes. The work
/// item takes the turn only when it runs, not when it is queued, so that frames do not wait for a busy pool.
/// </remarks>
internal sealed class CallbackTurn : IThreadPoolWorkItem, IValueTaskSource
{
    private readonly FrameConnection _connection;

    // The loop continues on the thread of the work item, which has finished, and not in the pool, whose queue may be
    // long.
    private ManualResetValueTaskSourceCore<bool> _passed = new() { RunContinuationsAsynchronously = false };
    private TurnState _state;

    internal CallbackTurn(FrameConnection connection) => _connection = connection;

    /// <summary>For the reading loop only: waits for the turn.</summary>
    internal ValueTask EnterAsync()
    {
        if (_state.TryEnter())
        {
            return default;
        }

        // Before the state says that the loop waits, because the turn may be passed to it at once.
        _passed.Reset();
        var turn = new ValueTask(this, _passed.Version);
        return _state.EnterOrWait() == TurnAction.Wait ? turn : default;
    }

    /// <summary>For the thread that has the turn: runs the ticks and wakes that are due.</summary>
    internal ValueTask RunDueAsync() => _state.Has(Due) ? RunAsync(_state.TakeDue()) : default;

    /// <summary>For the thread that has the turn: passes it on.</summary>
    internal void Leave()
    {
        switch (_state.Leave())
        {
            case TurnAction.ResumeLoop:
                _passed.SetResult(true);
                break;
            case TurnAction.Queue:
                Queue();
                break;
        }
    }

    /// <summary>Asks for a tick or a wake. Never runs it on the caller's thread.</summary>
    internal void Ask(TurnFlags due)
    {
        if (_state.Ask(due) == TurnAction.Queue)
        {
            Queue();
        }
    }

    /// <summary>Takes back what was asked for, if it has not begun.</summary>
    internal void Withdraw(TurnFlags due) => _state.Withdraw(due);

    void IThreadPoolWorkItem.Execute()
    {
        var due = _state.Execute();
        if (due != None)
        {
            _ = RunAndLeaveAsync(due);
        }
    }

    private void Queue() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    private async Task RunAndLeaveAsync(TurnFlags due)
    {
        try
        {
            await RunAsync(due).ConfigureAwait(false);
        }
        finally
        {
            // Else the loop would wait for ever.
            Leave();
        }
    }

    private async ValueTask RunAsync(TurnFlags due)
    {
        if ((due & WakeDue) != 0)
        {
            await _connection.CallWakeAsync().ConfigureAwait(false);
        }

        if ((due & TickDue) != 0)
        {
            await _connection.CallTickAsync().ConfigureAwait(false);
        }
    }

    void IValueTaskSource.GetResult(short token) => _passed.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _passed.GetStatus(token);

    void IValueTaskSource.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        => _passed.OnCompleted(continuation, state, token, flags);
}
