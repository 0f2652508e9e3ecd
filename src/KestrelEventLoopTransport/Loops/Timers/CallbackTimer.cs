namespace KestrelEventLoopTransport.Loops.Timers;

/// <summary>A timer of the application. When it is due, its callback is posted to the loop.</summary>
/// <remarks>
/// When the loop has ended, a timer of the system takes its place, and the callback is posted to the thread pool. What
/// waits for a timer does not wait for ever.
/// </remarks>
/// <param name="loop">The loop that calls back.</param>
/// <param name="callback">The application's code.</param>
/// <param name="state">Its argument.</param>
internal sealed class CallbackTimer(EventLoop loop, TimerCallback callback, object? state) : LoopTimer(loop), ITimer
{
    private static readonly TimeSpan _maxTime = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    // The lock makes one of all that follows. A due time that has moved keeps a timer that is firing from calling too
    // early.
    private readonly Lock _lock = new();
    private LoopCallback? _work;
    private long _dueAt = Never;
    private long _period = Never;
    private bool _isPosted;
    private int _running;
    private bool _isDisposed;
    private TaskCompletionSource? _returned;
    private bool _hasLeftLoop;
    private ITimer? _systemTimer;

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
            if (_hasLeftLoop)
            {
                SetSystemTimer();
            }
            else
            {
                Set(_dueAt);
            }

            return true;
        }
    }

    /// <summary>No call begins any more, also none that was posted. One that is running goes on.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            _dueAt = Never;
            _systemTimer?.Dispose();
            Cancel();
        }
    }

    /// <summary>As <see cref="Dispose"/>. Completes when no call is running.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            Dispose();
            if (_running == 0)
            {
                return default;
            }

            _returned ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return new ValueTask(_returned.Task);
        }
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
            if (!_isPosted)
            {
                _isPosted = true;
                _work ??= new LoopCallback(Loop, new Call(this), callback.Target?.GetType() ?? callback.GetType());
                _work.Post();
            }

            return _dueAt;
        }
    }

    protected override void OnDropped()
    {
        lock (_lock)
        {
            _hasLeftLoop = true;
            SetSystemTimer();
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

    private void SetSystemTimer()
    {
        if (_dueAt == Never && _systemTimer is null)
        {
            return;
        }

        _systemTimer ??= CreateSystemTimer();
        var delay = _dueAt == Never
            ? Timeout.InfiniteTimeSpan
            : TimeSpan.FromMilliseconds(Math.Clamp(_dueAt - LoopClock.Now, 0, (long)_maxTime.TotalMilliseconds));
        _systemTimer.Change(delay, Timeout.InfiniteTimeSpan);
    }

    private ITimer CreateSystemTimer()
    {
        // The timer must not keep the locals of whoever happens to make it.
        using var flow = ExecutionContext.IsFlowSuppressed() ? default : ExecutionContext.SuppressFlow();
        return TimeProvider.System.CreateTimer(
            static timer => ((CallbackTimer)timer!).OnSystemTimer(),
            this,
            Timeout.InfiniteTimeSpan,
            Timeout.InfiniteTimeSpan);
    }

    private void OnSystemTimer()
    {
        lock (_lock)
        {
            _ = OnDue(LoopClock.Now);
            SetSystemTimer();
        }
    }

    private sealed class Call(CallbackTimer timer) : IThreadPoolWorkItem
    {
        public void Execute() => timer.Invoke();
    }

    private void Invoke()
    {
        lock (_lock)
        {
            // First, so that what becomes due meanwhile is called again.
            _isPosted = false;
            if (_isDisposed)
            {
                return;
            }

            _running++;
        }

        try
        {
            callback(state);
        }
        finally
        {
            lock (_lock)
            {
                if (--_running == 0)
                {
                    _returned?.TrySetResult();
                }
            }
        }
    }
}
