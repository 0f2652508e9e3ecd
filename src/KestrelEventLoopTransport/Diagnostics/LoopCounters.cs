using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace KestrelEventLoopTransport.Diagnostics;

/// <summary>
/// What a loop counts of its turns. Only the thread that runs the loop counts, without atomic operations; any thread
/// may read. The clock is read only while the instrument of the busy time has a listener, or something else watches.
/// </summary>
internal sealed class LoopCounters
{
    private long _turns;
    private long _events;
    private BusyTime _busy;
    private Instrument? _timedBy;
    private int _watchers;

    /// <summary>The instrument of the busy time. While it has no listener, no time is measured.</summary>
    internal Instrument? TimedBy
    {
        set => Volatile.Write(ref _timedBy, value);
    }

    /// <summary>From the next turn on, time is measured, until <see cref="Unwatch"/>. Any thread.</summary>
    internal void Watch() => Interlocked.Increment(ref _watchers);

    /// <summary>Undoes one <see cref="Watch"/>.</summary>
    internal void Unwatch() => Interlocked.Decrement(ref _watchers);

    /// <summary>The loop begins to wait for events, or ends.</summary>
    internal void BeginWait()
    {
        if (_busy.IsBusy)
        {
            _busy.End(Stopwatch.GetTimestamp());
        }
    }

    /// <summary>The wait has ended with a number of events.</summary>
    internal void EndWait(int events)
    {
        Volatile.Write(ref _turns, _turns + 1);
        Volatile.Write(ref _events, _events + events);
        if (_timedBy is { Enabled: true } || Volatile.Read(ref _watchers) != 0)
        {
            _busy.Begin(Stopwatch.GetTimestamp());
        }
    }

    internal LoopTotals Read() => new(Volatile.Read(ref _turns), Volatile.Read(ref _events), _busy.Read());
}
