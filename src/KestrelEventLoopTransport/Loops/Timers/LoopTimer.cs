namespace KestrelEventLoopTransport.Loops.Timers;

/// <summary>A moment at which a loop calls back. It can be set, moved and cancelled at any time, on any thread.</summary>
/// <remarks>
/// Times are milliseconds of the loop's clock (<see cref="LoopClock"/>), which is monotonic. A timer is never early.
/// When it is moved or cancelled while it fires, <see cref="OnDue"/> may run once more than was asked for, so it looks
/// for itself what has become due. Timers of a loop that has ended do not fire.
/// </remarks>
/// <param name="loop">The loop that calls back.</param>
internal abstract class LoopTimer(EventLoop loop) : IThreadPoolWorkItem
{
    /// <summary>The time of a timer that is not set.</summary>
    internal const long Never = long.MaxValue;

    private readonly Lock _lock = new();
    private long _due = Never;
    private long _filed = Never;

    /// <summary>The loop that calls back.</summary>
    internal EventLoop Loop => loop;

    /// <summary>When the timer fires, or <see cref="Never"/>.</summary>
    internal long Due => Volatile.Read(ref _due);

    /// <summary>The loop calls back at this time, instead of one that was set before.</summary>
    internal void Set(long due)
    {
        lock (_lock)
        {
            _due = due;
            File();
        }
    }

    /// <summary>The loop does not call back.</summary>
    internal void Cancel() => Set(Never);

    void IThreadPoolWorkItem.Execute()
    {
        lock (_lock)
        {
            _filed = Never;
            if (_due > LoopClock.Now)
            {
                File();
                return;
            }

            _due = Never;
        }

        var next = OnDue(LoopClock.Now);
        lock (_lock)
        {
            _due = Math.Min(_due, next);
            File();
        }
    }

    /// <summary>The time has come. Runs as the loop, so it must not block and must not call application code.</summary>
    /// <param name="now">The time of the loop.</param>
    /// <returns>When to call again, or <see cref="Never"/>.</returns>
    protected abstract long OnDue(long now);

    private void File()
    {
        if (_due < _filed)
        {
            _filed = _due;
            loop.Schedule(this, (int)Math.Clamp(_due - LoopClock.Now, 0, int.MaxValue));
        }
    }
}
