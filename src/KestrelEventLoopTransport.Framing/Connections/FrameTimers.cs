using System.Diagnostics;
using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>
/// The timers of an endpoint's connections that share a clock: those of one event loop, or all of them where the
/// transport has no loops of its own. One timer of the clock serves them all.
/// </summary>
/// <remarks>
/// <para>
/// Times are timestamps of the clock. The wheel counts milliseconds. A time is rounded up, so nothing is early. A timer
/// that is moved to a later time is filed again only when its old time has come. So what happens on a connection costs
/// no more than storing a timestamp.
/// </para>
/// <para>
/// The clock may call on an event loop, so a pass only marks what is due and queues it to the thread pool. It takes
/// <see cref="MaxPerPass"/> timers at most, and the clock calls again for the rest: others get their turn in between.
/// A pass costs more than the look at one timer. So after one that has found many, the next one waits for a few
/// milliseconds and finds many again.
/// </para>
/// <para>
/// The clock may be the application's, and may call back at once. So it is not called under the lock: the end of <see
/// cref="Enter"/> leaves the lock and sets it. One thread at a time sets the clock, and looks afterwards whether an
/// earlier call is wanted by then. A clock that calls once more than it was set to does no harm.
/// </para>
/// </remarks>
internal sealed class FrameTimers
{
    /// <summary>At some 0.2 µs for each, a pass keeps its thread for a tenth of a millisecond.</summary>
    internal const int MaxPerPass = 512;

    /// <summary>A pass that has found so many timers due is followed by a rest.</summary>
    internal const int ManyPerPass = 8;

    /// <summary>The length of a rest in milliseconds. Timers are late by so much at most while many are due.</summary>
    internal const int Rest = 8;

    private readonly Lock _lock = new();
    private readonly TimerWheel _wheel = new();
    private readonly long _frequency;

    // Only the thread that has set _isSetting uses the timer. All other fields are used under the lock.
    private ITimer? _timer;
    private bool _isSetting;

    // When the clock calls, in milliseconds, and until when it shall not. 0 during a pass, whose end sets the clock.
    private long _callsAt = FrameTimer.Never;
    private long _restsUntil;

    /// <param name="clock">The clock.</param>
    internal FrameTimers(TimeProvider clock)
    {
        Clock = clock;
        _frequency = clock.TimestampFrequency;
    }

    internal TimeProvider Clock { get; }

    /// <summary>A time as a difference of timestamps, rounded up.</summary>
    internal long ToTimestamp(TimeSpan time)
    {
        // Whole seconds and the rest, so that no product overflows.
        var (seconds, ticks) = Math.DivRem(time.Ticks, TimeSpan.TicksPerSecond);
        var rest = ((ticks * _frequency) + TimeSpan.TicksPerSecond - 1) / TimeSpan.TicksPerSecond;
        return (seconds * _frequency) + rest;
    }

    /// <summary>
    /// The scope in which a timer's own state and its time are changed together. Its end sets the clock.
    /// </summary>
    internal Scope Enter()
    {
        _lock.Enter();
        return new Scope(this);
    }

    /// <summary>Inside of <see cref="Enter"/>: a timer is looked at at this time at the latest.</summary>
    /// <param name="timer">The timer.</param>
    /// <param name="due">The time. One that has passed counts as now.</param>
    /// <param name="now">The timestamp, from before <see cref="Enter"/>.</param>
    internal void SetEarlier(FrameTimer timer, long due, long now)
    {
        if (due < timer.Due)
        {
            File(timer, due, now);
        }
    }

    /// <summary>A timer is looked at after a time.</summary>
    internal void AddAfter(FrameTimer timer, TimeSpan time)
    {
        var now = Clock.GetTimestamp();
        using (Enter())
        {
            SetEarlier(timer, now + ToTimestamp(time), now);
        }
    }

    /// <summary>Inside of <see cref="Enter"/>: the timer is not looked at any more.</summary>
    internal void Remove(FrameTimer timer) => File(timer, FrameTimer.Never, now: 0);

    private void Pass()
    {
        var now = Clock.GetTimestamp();
        lock (_lock)
        {
            _callsAt = 0;
        }

        var found = 0;
        try
        {
            for (var i = 0; i < MaxPerPass && TryLook(now, ref found, out var acting); i++)
            {
                if (acting is not null)
                {
                    ThreadPool.UnsafeQueueUserWorkItem(acting, preferLocal: false);
                }
            }
        }
        finally
        {
            EndPass(now, found);
        }
    }

    private void EndPass(long now, int found)
    {
        using (Enter())
        {
            // No rest while some are left that are due.
            var time = ToMilliseconds(now);
            _restsUntil = found >= ManyPerPass && _wheel.Next > time ? time + Rest : 0;
            _callsAt = FrameTimer.Never;
        }
    }

    /// <summary>Looks at one timer, or files it closer to its time. False when no other is due.</summary>
    private bool TryLook(long now, ref int found, out FrameTimer? acting)
    {
        acting = null;
        lock (_lock)
        {
            if (!_wheel.TryTake(ToMilliseconds(now), out var node))
            {
                return false;
            }

            // The wheel gives it out before its time, to be filed closer to it.
            var timer = (FrameTimer)node;
            var due = timer.Due;
            timer.Due = FrameTimer.Never;
            if (due <= now)
            {
                found++;
                due = timer.Look(now, out var acts);
                acting = acts ? timer : null;
            }

            File(timer, due, now);
            return true;
        }
    }

    private void File(FrameTimer timer, long due, long now)
    {
        Debug.Assert(_lock.IsHeldByCurrentThread, "A timer is changed under the lock.");
        _wheel.Remove(timer);
        timer.Due = due;
        if (due != FrameTimer.Never)
        {
            _wheel.Add(timer, ToMilliseconds(due - 1) + 1, ToMilliseconds(now));
        }
    }

    /// <summary>A timestamp in milliseconds, rounded down. Not each clock has whole numbers of both.</summary>
    private long ToMilliseconds(long timestamp)
    {
        var (seconds, rest) = Math.DivRem(timestamp, _frequency);
        return (seconds * 1000) + (rest * 1000 / _frequency);
    }

    private void Leave()
    {
        var sets = TryBeginSet(out var callsAt);
        _lock.Exit();
        while (sets)
        {
            SetClock(callsAt);
            lock (_lock)
            {
                _isSetting = false;
                sets = TryBeginSet(out callsAt);
            }
        }
    }

    /// <summary>Whether the calling thread has to set the clock, when it has left the lock.</summary>
    private bool TryBeginSet(out long callsAt)
    {
        Debug.Assert(_lock.IsHeldByCurrentThread, "Whether the clock is set is decided under the lock.");
        callsAt = Math.Max(_wheel.Next, _restsUntil);
        if (_isSetting || callsAt >= _callsAt)
        {
            return false;
        }

        _isSetting = true;
        _callsAt = callsAt;
        return true;
    }

    private void SetClock(long callsAt)
    {
        try
        {
            _timer ??= CreateTimer();
            var delay = Math.Max(0, callsAt - ToMilliseconds(Clock.GetTimestamp()));
            _timer.Change(TimeSpan.FromMilliseconds(delay), Timeout.InfiniteTimeSpan);
        }
        catch
        {
            // The next change tries again.
            lock (_lock)
            {
                _isSetting = false;
                _callsAt = FrameTimer.Never;
            }

            throw;
        }
    }

    private ITimer CreateTimer()
    {
        // The timer must not keep the locals of the connection that happens to be the first.
        using var flow = ExecutionContext.IsFlowSuppressed() ? default : ExecutionContext.SuppressFlow();
        return Clock.CreateTimer(
            static timers => ((FrameTimers)timers!).Pass(),
            this,
            Timeout.InfiniteTimeSpan,
            Timeout.InfiniteTimeSpan);
    }

    /// <summary>Leaves the lock at its end.</summary>
    internal readonly ref struct Scope(FrameTimers timers)
    {
        public void Dispose() => timers.Leave();
    }
}
