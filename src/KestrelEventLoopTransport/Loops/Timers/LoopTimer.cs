using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops.Timers;

/// <summary>
/// A moment at which a loop calls back. It can be set, moved and cancelled at any time, on any thread. It costs nothing
/// but its own memory: to set it allocates nothing.
/// </summary>
/// <remarks>
/// <para>
/// Times are milliseconds of <see cref="LoopClock"/>. A timer is never early. It is late by less than a millisecond,
/// and by what the loop does at that moment: its turn, and the looks at other timers whose time has come.
/// </para>
/// <para>
/// When it is moved to a later time, the new time is only written down: the loop looks at the old one and files the
/// timer again. Only a time that is earlier than that reaches the loop, and wakes it if another thread sets it.
/// </para>
/// <para>
/// When it is moved while it fires, <see cref="OnDue"/> may run once more than was asked for, so it looks for itself
/// what has become due. Timers of a loop that has ended do not fire: <see cref="OnDropped"/> is called instead.
/// </para>
/// <para>
/// A timer that is filed keeps its object alive. So <see cref="Cancel"/> is for the end: it takes the timer from the
/// loop. <c>Set(Never)</c> only writes down that nothing is due, and is cheaper for a timer that is soon set again.
/// </para>
/// </remarks>
/// <param name="loop">The loop that calls back.</param>
internal abstract class LoopTimer(EventLoop loop) : TimerNode, IThreadPoolWorkItem
{
    /// <summary>The time of a timer that is not set.</summary>
    internal const long Never = TimerDue.Never;

    // The loop is not woken to forget a timer that it looks at so soon.
    private const int Soon = 1000;

    private long _due = Never;
    private TimerWord _word = new();

    /// <summary>The loop that calls back.</summary>
    internal EventLoop Loop => loop;

    /// <summary>When the timer fires, or <see cref="Never"/>.</summary>
    internal long Due
    {
        get
        {
            var due = Volatile.Read(ref _due);
            return due == TimerDue.Firing ? Never : due;
        }
    }

    /// <summary>When the loop looks. Before every time if the timer is claimed: then it is posted too.</summary>
    internal override long DueAt => _word.Read().LooksAt;

    /// <summary>The loop calls back at this time, instead of one that was set before.</summary>
    /// <param name="due">The time; one that has passed counts as now. <see cref="Never"/>: it does not call.</param>
    internal void Set(long due)
    {
        due = due == TimerDue.Firing ? Never : Math.Max(due, 0);

        // First the time, with a full fence, then the look at the state: see TimerState.
        Interlocked.Exchange(ref _due, due);
        if (_word.TryClaim(due))
        {
            Refile();
        }
    }

    /// <summary>The loop does not call back, and forgets the timer within a second.</summary>
    internal void Cancel()
    {
        Interlocked.Exchange(ref _due, Never);
        var state = _word.Read();
        if (state.IsFiled
            && (loop.OwnsTimers || state.LooksAt - LoopClock.Now > Soon)
            && _word.TryTake())
        {
            Refile();
        }
    }

    /// <summary>The timer was posted.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        // The end of the loop has emptied the wheel. The timer stays claimed, so it is not posted again.
        if (loop.HasEnded)
        {
            OnDropped();
        }
        else
        {
            File(LoopClock.Now);
        }
    }

    /// <summary>The wheel has given the timer out. Only the thread that runs the loop calls.</summary>
    /// <param name="now">The time now.</param>
    /// <returns>Whether it has fired.</returns>
    internal bool OnReached(long now)
    {
        if (!_word.TryTake())
        {
            // It is posted: the look comes.
            return false;
        }

        var fires = TryBeginFire(now);
        if (fires)
        {
            EndFire(Fire(now));
        }

        File(now);
        return fires;
    }

    /// <summary>The loop has ended, and the wheel has dropped the timer.</summary>
    internal void Drop()
    {
        if (_word.TryTake())
        {
            OnDropped();
        }
    }

    /// <summary>The time has come. Runs as the loop.</summary>
    /// <remarks>
    /// No application code runs in it, but as work that it posts. Application code may keep the thread, and then the
    /// loop goes on without it. Here that would be in the middle of the wheel's work, and the timer could not fire
    /// again before the code returns.
    /// </remarks>
    /// <param name="now">The time of the loop.</param>
    /// <returns>When to call again, at the earliest a millisecond later, or <see cref="Never"/>.</returns>
    protected abstract long OnDue(long now);

    /// <summary>The timer does not fire any more. Called once at most, when it was due or is set again.</summary>
    protected virtual void OnDropped()
    {
    }

    private long Fire(long now)
    {
        try
        {
            // Not at once, or a timer that is always due would keep the loop busy.
            return Math.Max(OnDue(now), now + 1);
        }
        catch (Exception exception)
        {
            loop.OnCallbackFailed(exception);
            return Never;
        }
    }

    private bool TryBeginFire(long now)
    {
        while (true)
        {
            var due = Volatile.Read(ref _due);
            var (next, fires) = TimerDue.Look(due, now);
            if (!fires || Interlocked.CompareExchange(ref _due, next, due) == due)
            {
                return fires;
            }
        }
    }

    private void EndFire(long next)
    {
        while (true)
        {
            var due = Volatile.Read(ref _due);
            if (Interlocked.CompareExchange(ref _due, TimerDue.EndFire(due, next), due) == due)
            {
                return;
            }
        }
    }

    /// <summary>The calling thread has claimed the timer: it makes the loop look.</summary>
    private void Refile()
    {
        if (loop.OwnsTimers)
        {
            File(LoopClock.Now);
        }
        else
        {
            loop.Post(this);
        }
    }

    /// <summary>Files the timer where it belongs, as the thread that has claimed it and runs the loop.</summary>
    private void File(long now)
    {
        while (true)
        {
            Debug.Assert(_word.Read().IsClaimed, "A timer is filed by the thread that has claimed it.");
            Debug.Assert(loop.OwnsTimers, "Only the loop's owner uses the wheel, and not inside application code.");
            loop.Timers.Remove(this);
            var due = Volatile.Read(ref _due);
            if (due != Never)
            {
                loop.Timers.Add(this, due, now);
            }

            _word.File(due);

            // A thread that set or cancelled the timer meanwhile has found it claimed, and has left it to this one.
            due = Volatile.Read(ref _due);
            if (due == Never ? !_word.TryTake() : !_word.TryClaim(due))
            {
                return;
            }
        }
    }
}
