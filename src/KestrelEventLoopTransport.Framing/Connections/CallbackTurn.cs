using System.Threading.Tasks.Sources;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>Makes a connection's callbacks take turns, without a thread that waits.</summary>
/// <remarks>
/// One word, moved by compare-and-swap:
/// <list type="bullet">
/// <item><c>Taken</c>: somebody runs callbacks: the reading loop, or the work item that runs ticks and wakes.</item>
/// <item><c>Reading</c>: the reading loop waits for the turn; the work item passes it on when it leaves.</item>
/// <item><c>Woken</c>, <c>Ticked</c>: these callbacks are due. Set by anyone; cleared by who is about to run
/// them.</item>
/// <item>
/// <c>Queued</c>: the work item is in the thread pool's queue. Set together with queuing it, by who asks while the turn
/// is free or by who leaves it while something is due; cleared when it runs. It takes the turn only then: frames do not
/// wait for a busy pool.
/// </item>
/// </list>
/// A work item that finds the turn taken by the reading loop leaves what is due to it: the loop runs it between two of
/// its batches, so that frames cannot starve ticks. Where the reading loop waits it goes first, so that wakes cannot
/// starve frames. At the end the reading loop takes the turn for good.
/// </remarks>
internal sealed class CallbackTurn : IThreadPoolWorkItem, IValueTaskSource
{
    internal const int Woken = 4;
    internal const int Ticked = 8;

    private const int Taken = 1;
    private const int Reading = 2;
    private const int Queued = 16;
    private const int Due = Woken | Ticked;

    private readonly FrameConnection _connection;

    // Not in the thread pool, whose queue may be long: the loop goes on on the thread of the work item, which is done.
    private ManualResetValueTaskSourceCore<bool> _passed = new() { RunContinuationsAsynchronously = false };
    private int _state;

    internal CallbackTurn(FrameConnection connection) => _connection = connection;

    /// <summary>For the reading loop only: waits for the turn.</summary>
    internal ValueTask EnterAsync()
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            if ((state & Taken) == 0)
            {
                if (Interlocked.CompareExchange(ref _state, state | Taken, state) == state)
                {
                    return default;
                }

                continue;
            }

            _passed.Reset();
            var turn = new ValueTask(this, _passed.Version);
            if (Interlocked.CompareExchange(ref _state, state | Reading, state) == state)
            {
                return turn;
            }
        }
    }

    /// <summary>For who has the turn: runs the ticks and wakes that are due.</summary>
    internal ValueTask RunDueAsync()
        => (Volatile.Read(ref _state) & Due) == 0 ? default : RunAsync(Interlocked.And(ref _state, ~Due));

    /// <summary>Passes the turn on, to whoever waits for it.</summary>
    internal void Leave()
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            if ((state & Reading) != 0)
            {
                if (Interlocked.CompareExchange(ref _state, state & ~Reading, state) == state)
                {
                    _passed.SetResult(true);
                    return;
                }

                continue;
            }

            var queues = (state & Due) != 0 && (state & Queued) == 0;
            if (Interlocked.CompareExchange(ref _state, (state & ~Taken) | (queues ? Queued : 0), state) == state)
            {
                if (queues)
                {
                    ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
                }

                return;
            }
        }
    }

    /// <summary>Asks for a tick or a wake. Never runs it itself.</summary>
    internal void Ask(int what)
    {
        var state = Volatile.Read(ref _state);
        while ((state & what) == 0)
        {
            var queues = (state & (Taken | Queued)) == 0;
            var before = Interlocked.CompareExchange(ref _state, state | what | (queues ? Queued : 0), state);
            if (before == state)
            {
                if (queues)
                {
                    ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
                }

                return;
            }

            state = before;
        }
    }

    /// <summary>Takes back what was asked for, if it does not run yet.</summary>
    internal void Withdraw(int what) => Interlocked.And(ref _state, ~what);

    void IThreadPoolWorkItem.Execute()
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            var runs = (state & Taken) == 0 && (state & Due) != 0;
            var next = runs ? (state | Taken) & ~(Queued | Due) : state & ~Queued;
            if (Interlocked.CompareExchange(ref _state, next, state) == state)
            {
                if (runs)
                {
                    _ = RunAndLeaveAsync(state);
                }

                return;
            }
        }
    }

    private async Task RunAndLeaveAsync(int due)
    {
        await RunAsync(due).ConfigureAwait(false);
        Leave();
    }

    private async ValueTask RunAsync(int due)
    {
        if ((due & Woken) != 0)
        {
            await _connection.CallWakeAsync().ConfigureAwait(false);
        }

        if ((due & Ticked) != 0)
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
