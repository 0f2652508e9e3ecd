namespace KestrelEventLoopTransport.Loops.Timers;

/// <summary>A timer of the application. When it is due, its callback is posted to the loop.</summary>
/// <param name="loop">The loop that calls back.</param>
/// <param name="callback">The application's code.</param>
/// <param name="state">Its argument.</param>
internal sealed class CallbackTimer(EventLoop loop, TimerCallback callback, object? state) : LoopTimer(loop), ITimer
{
    private static readonly TimeSpan _maxTime = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    // The lock makes one of the due time and the period. A due time that has moved keeps a timer that is firing from
    // calling too early.
    private readonly Lock _lock = new();
    private LoopCallback? _work;
    private long _dueAt = Never;
    private long _period = Never;
    private bool _isDisposed;
    private int _isPosted;

    public bool Change(TimeSpan dueTime, TimeSpan period)
    {
        var due = ToMilliseconds(dueTime, nameof(dueTime));
        var every = ToMilliseconds(period, nameof(period));
        lock (_lock)
        {
            if (_isDisposed)
            {
                return false;
            }

            // A period of 0 means none, as with all timers of .NET.
            _period = every == 0 ? Never : every;
            _dueAt = due switch
            {
                Never => Never,
                0 => LoopClock.Now,
                _ => LoopClock.After(due),
            };
            Set(_dueAt);
            return true;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            _dueAt = Never;
            Cancel();
        }
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return default;
    }

    protected override long OnDue(long now)
    {
        lock (_lock)
        {
            if (_dueAt > now)
            {
                return _dueAt;
            }

            // Calls that were missed are skipped, and the others keep their distance.
            _dueAt = _period == Never ? Never : _dueAt + ((((now - _dueAt) / _period) + 1) * _period);
            if (Interlocked.Exchange(ref _isPosted, 1) == 0)
            {
                (_work ??= new LoopCallback(Loop, new Call(this))).Post();
            }

            return _dueAt;
        }
    }

    private static long ToMilliseconds(TimeSpan time, string name)
    {
        if (time == Timeout.InfiniteTimeSpan)
        {
            return Never;
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(time, _maxTime, name);
        return (long)Math.Ceiling(time.TotalMilliseconds);
    }

    private sealed class Call(CallbackTimer timer) : IThreadPoolWorkItem
    {
        public void Execute() => timer.Invoke();
    }

    private void Invoke()
    {
        // First, so that what becomes due meanwhile is called again.
        Volatile.Write(ref _isPosted, 0);
        callback(state);
    }
}
