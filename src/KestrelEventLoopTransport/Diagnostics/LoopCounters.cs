using System.Diagnostics;

namespace KestrelEventLoopTransport.Diagnostics;

/// <summary>
/// What a loop counts of its turns. Only the thread that runs the loop counts, without atomic operations; any thread
/// may read. The clock is read only while an instrument needs it, or something else watches.
/// </summary>
internal sealed class LoopCounters
{
    private long _turns;
    private long _events;
    private BusyTime _busy;
    private TurnInstruments? _timedBy;
    private int _watchers;
    private long _handOffs;

    // Ticks of Stopwatch. When the turn that is timed now has begun, or 0; and the longest one that has ended since a
    // reader has taken it.
    private long _began;
    private long _longest;

    /// <summary>Times the loop went on with another thread.</summary>
    internal long HandOffs => Volatile.Read(ref _handOffs);

    /// <summary>The instruments that need the time.</summary>
    internal TurnInstruments? TimedBy
    {
        set => Volatile.Write(ref _timedBy, value);
    }

    /// <summary>From the next turn on, time is measured, until <see cref="Unwatch"/>. Any thread.</summary>
    internal void Watch() => Interlocked.Increment(ref _watchers);

    /// <summary>Undoes one <see cref="Watch"/>.</summary>
    internal void Unwatch() => Interlocked.Decrement(ref _watchers);

    /// <summary>Whether no turn is timed now.</summary>
    internal bool IsWaiting => Volatile.Read(ref _began) == 0;

    /// <summary>The loop goes to another thread. Only the supervisor's thread calls.</summary>
    internal void OnHandOff() => Volatile.Write(ref _handOffs, _handOffs + 1);

    /// <summary>The loop begins to wait for events, is lent, or ends.</summary>
    internal void BeginWait()
    {
        if (_busy.IsBusy)
        {
            var now = Stopwatch.GetTimestamp();
            _busy.End(now);
            var turn = now - _began;
            if (turn > Volatile.Read(ref _longest))
            {
                // A reader that takes the longest one in this moment has got a shorter one.
                Volatile.Write(ref _longest, turn);
            }

            Volatile.Write(ref _began, 0);
        }
    }

    /// <summary>The wait has ended with a number of events.</summary>
    internal void EndWait(int events)
    {
        Volatile.Write(ref _turns, _turns + 1);
        Volatile.Write(ref _events, _events + events);
        GoOn();
    }

    /// <summary>The loop works again, without having polled.</summary>
    internal void GoOn()
    {
        if (_timedBy is { AreObserved: true } || Volatile.Read(ref _watchers) != 0)
        {
            var now = Stopwatch.GetTimestamp();
            _busy.Begin(now);
            Volatile.Write(ref _began, now);
        }
    }

    internal LoopTotals Read() => new(Volatile.Read(ref _turns), Volatile.Read(ref _events), _busy.Read());

    /// <summary>The longest turn since the last call, the one that has not ended among them.</summary>
    internal TimeSpan TakeLongest()
    {
        // In this order: a turn that ends in between is the next call's.
        var longest = Interlocked.Exchange(ref _longest, 0);
        var began = Volatile.Read(ref _began);
        var now = Stopwatch.GetTimestamp();

        // The clock belongs to the turn if the turn has not ended meanwhile. A reader may be kept from its processor.
        var isRunning = began != 0 && Volatile.Read(ref _began) == began;
        return Stopwatch.GetElapsedTime(0, isRunning ? Math.Max(longest, now - began) : longest);
    }
}
