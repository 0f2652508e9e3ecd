using System.Threading.Tasks.Sources;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>Makes a connection's callbacks take turns, without a thread that waits.</summary>
/// <remarks>
/// One word, moved by compare-and-swap:
/// <list type="bullet">
/// <item><c>Taken</c>: somebody has the turn: the reading loop, or the work item that runs ticks and wakes.</item>
/// <item><c>Reading</c>: the reading loop waits for the turn; whoever leaves passes it on.</item>
/// <item><c>Woken</c>, <c>Ticked</c>: these callbacks are due. Set by anyone, together with <c>Taken</c> if the turn was
/// free, and then the one who set it queues the work item; cleared by the work item before it calls.</item>
/// </list>
/// The reading loop goes first, so that wakes cannot starve it; the work item runs between two of its batches. At the end
/// the reading loop takes the turn for good.
/// </remarks>
internal sealed class CallbackTurn : IThreadPoolWorkItem, IValueTaskSource
{
    internal const int Woken = 4;
    internal const int Ticked = 8;

    private const int Taken = 1;
    private const int Reading = 2;

    private readonly FrameConnection _connection;
    private ManualResetValueTaskSourceCore<bool> _passed = new() { RunContinuationsAsynchronously = true };
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
            }
            else if ((state & (Woken | Ticked)) != 0)
            {
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
                return;
            }
            else if (Interlocked.CompareExchange(ref _state, state & ~Taken, state) == state)
            {
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
            var before = Interlocked.CompareExchange(ref _state, state | what | Taken, state);
            if (before == state)
            {
                if ((state & Taken) == 0)
                {
                    ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
                }
                return;
            }
            state = before;
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        var asked = Interlocked.And(ref _state, ~(Woken | Ticked));
        _ = RunAsync((asked & Woken) != 0, (asked & Ticked) != 0);
    }

    private async Task RunAsync(bool woken, bool ticked)
    {
        if (woken)
        {
            await _connection.CallWakeAsync().ConfigureAwait(false);
        }
        if (ticked)
        {
            await _connection.CallTickAsync().ConfigureAwait(false);
        }
        Leave();
    }

    void IValueTaskSource.GetResult(short token) => _passed.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _passed.GetStatus(token);

    void IValueTaskSource.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        => _passed.OnCompleted(continuation, state, token, flags);
}
