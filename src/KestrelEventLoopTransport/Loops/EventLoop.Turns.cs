using KestrelEventLoopTransport.Diagnostics;
using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Loops;

// The loop's turns: at home, on its own thread, and on the thread pool, while the loop is lent.
internal sealed partial class EventLoop
{
    // Work that is posted while work runs waits for the next turn, so that the poller is never starved.
    private const int MaxWorkPerTurn = 256;

    // Timers that fire in a turn, and timers that are looked at, most of them only to file them again. The rest waits
    // until the loop has polled.
    private const int MaxFiresPerTurn = 256;
    private const int MaxLooksPerTurn = 4096;

    // Events between two calls of the supervisor. It reads the clock, which is cheap but not free.
    private const int EventsPerProgress = 16;

    /// <summary>Milliseconds until the loop has to look at a timer, or -1 without any. Any thread may ask.</summary>
    internal int NextTimerDelay => DelayUntil(Timers.NextDue);

    /// <summary>The loop's thread gives the loop away until <see cref="EndLoan"/>.</summary>
    internal void BeginLoan()
    {
        Counters.BeginWait();
        _work.Disown();
    }

    /// <summary>A thread of the pool runs a turn. False when there was nothing to do.</summary>
    /// <param name="wait">How long it waits for something to do.</param>
    internal bool RunTurnOnPool(TimeSpan wait = default)
    {
        try
        {
            if (wait == TimeSpan.Zero)
            {
                _work.SetOwner();
                Poll(0);
            }
            else
            {
                _work.TakeOver();
                Poll(NextTimerDelay == 0 ? TimeSpan.Zero : wait);
            }
        }
        catch (Exception exception)
        {
            LoopLog.LoopFailed(_logger, exception);
            throw;
        }

        var found = _polled.HasNext || !_work.IsEmpty;
        RunEvents(null);
        RunTimers();
        RunWork(null);

        // Until its next turn, the pool does other work.
        Counters.BeginWait();
        _work.Disown();
        return found;
    }

    /// <summary>The loop's thread runs the loop again.</summary>
    internal void EndLoan()
    {
        _work.TakeOver();
        Counters.GoOn();
    }

    /// <summary>
    /// Runs the callbacks that a loan has left. The pool may be blocked, so the loop does not sleep before, and what it
    /// may not run itself is watched by the supervisor. False when the thread has lost the loop.
    /// </summary>
    private bool RunLeftCallbacks(ThreadActivity activity)
    {
        if (!RunPooled(activity))
        {
            return false;
        }

        if (Callbacks.HasPooled)
        {
            _supervisor.EnsureAwake();
        }

        Callbacks.Flush();
        return true;
    }

    /// <summary>The poller's time-out.</summary>
    private static int DelayUntil(long time)
        => time == TimerWheel.Never ? -1 : (int)Math.Clamp(time - LoopClock.Now, 0, int.MaxValue);

    /// <summary>
    /// Polls once, unless events are left from before, and runs what is due. False when the thread has lost the loop.
    /// </summary>
    private bool RunTurn(ThreadActivity activity)
    {
        if (!_polled.HasNext)
        {
            Poll(DelayUntil(Timers.FindNextDue()));
        }

        if (!RunEvents(activity))
        {
            return false;
        }

        RunTimers();
        if (!RunWork(activity) || !RunPooled(activity))
        {
            return false;
        }

        Callbacks.Flush();
        _supervisor.OnProgress();
        return true;
    }

    private void Poll(int timeoutMilliseconds)
    {
        BeginPoll();
        _work.Poll(timeoutMilliseconds);
        EndPoll();
    }

    private void Poll(TimeSpan timeout)
    {
        BeginPoll();
        _work.Poll(timeout);
        EndPoll();
    }

    private void BeginPoll()
    {
        Counters.BeginWait();
        if (EventLoopEventSource.Log.TracesTurns())
        {
            EventLoopEventSource.Log.LoopTurnStop(Index);
        }
    }

    private void EndPoll()
    {
        Counters.EndWait(_polled.Count);
        if (EventLoopEventSource.Log.TracesTurns())
        {
            EventLoopEventSource.Log.LoopTurnStart(Index, _polled.Count);
        }
    }

    private bool RunEvents(ThreadActivity? activity)
    {
        while (_polled.HasNext)
        {
            Dispatch(_polled.Next(out var events), events);
            if (activity is { LostLoop: true })
            {
                return false;
            }

            if (_polled.Taken % EventsPerProgress == 0)
            {
                _supervisor.OnProgress();
            }
        }

        return true;
    }

    private void Dispatch(IPollable? pollable, PollEvents events)
    {
        try
        {
            pollable?.OnReady(events);
        }
        catch (Exception exception)
        {
            OnCallbackFailed(exception);
        }
    }

    private void RunTimers()
    {
        if (Timers.Next == TimerWheel.Never)
        {
            return;
        }

        var now = LoopClock.Now;
        var fires = 0;
        for (var looks = 0; looks < MaxLooksPerTurn && fires < MaxFiresPerTurn; looks++)
        {
            if (!Timers.TryTake(now, out var timer))
            {
                return;
            }

            fires += ((LoopTimer)timer).OnReached(now) ? 1 : 0;
        }
    }

    /// <summary>The loop has ended: timers do not fire any more, and nothing may keep their objects.</summary>
    private void DropTimers()
    {
        while (Timers.TryTake(long.MaxValue - 1, out var timer))
        {
            ((LoopTimer)timer).Drop();
        }
    }

    private bool RunWork(ThreadActivity? activity)
    {
        for (var left = Math.Min(_work.Count, MaxWorkPerTurn); left > 0 && _work.TryTake(out var item); left--)
        {
            if (!TryExecute(item, activity))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Runs what waits for the thread pool, where the loop's thread may do it.</summary>
    private bool RunPooled(ThreadActivity activity)
    {
        for (var i = 0; i < MaxWorkPerTurn && Callbacks.TryTakeBack(out var callback); i++)
        {
            if (!TryExecute(callback, activity))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>False when the thread has lost the loop meanwhile.</summary>
    private bool TryExecute(IThreadPoolWorkItem item, ThreadActivity? activity)
    {
        try
        {
            item.Execute();
        }
        catch (Exception exception)
        {
            OnCallbackFailed(exception);
        }

        return activity is not { LostLoop: true };
    }
}
