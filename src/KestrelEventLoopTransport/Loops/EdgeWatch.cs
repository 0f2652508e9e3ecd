using System.Collections.Concurrent;
using System.Diagnostics;
using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// Asks, a few milliseconds after an edge that found no read waiting, whether the edge has been answered. A reader that
/// comes in time costs nothing but its entry in the queue. If the reader does not come, its bytes are received ahead.
/// </summary>
/// <remarks>
/// While the queue has entries, the timer is set for a tick. A thread that adds an entry sets it, unless it is marked
/// as set. A tick clears the mark before it reads the queue, and asks for the next tick if it leaves entries behind.
/// </remarks>
internal sealed class EdgeWatch(EventLoop loop) : LoopTimer(loop)
{
    // Long beside the time in which a reader that is at work comes back, short beside what a person notices.
    private const int TickMilliseconds = 5;

    // Afterwards other connections of the loop get their turn.
    private static readonly TimeSpan _longestTick = TimeSpan.FromMilliseconds(1);

    private readonly ConcurrentQueue<Entry> _entries = new();
    private int _isSet;

    /// <summary>Adds an entry. Any thread may.</summary>
    internal void Add(IWatched watched)
    {
        _entries.Enqueue(new Entry(watched, 0, 0));
        if (TryMarkSet())
        {
            Set(LoopClock.After(TickMilliseconds));
        }
    }

    /// <summary>Drops all entries, because the loop has ended.</summary>
    internal void Clear() => _entries.Clear();

    protected override long OnDue(long now)
    {
        Interlocked.Exchange(ref _isSet, 0);
        var start = Stopwatch.GetTimestamp();
        var left = _entries.Count;
        while (left > 0 && Stopwatch.GetElapsedTime(start) < _longestTick && _entries.TryDequeue(out var entry))
        {
            left--;
            Ask(entry);
        }

        if (_entries.IsEmpty || !TryMarkSet())
        {
            return Never;
        }

        // If time ran out, the rest comes soon, when the loop has polled.
        return now + (left > 0 ? 1 : TickMilliseconds);
    }

    private void Ask(Entry entry)
    {
        var ticks = entry.Ticks + 1;
        var mark = entry.Mark;
        var again = true;
        try
        {
            again = entry.Watched.OnWatch(ticks, ref mark);
        }
        finally
        {
            if (again)
            {
                _entries.Enqueue(new Entry(entry.Watched, ticks, mark));
            }
        }
    }

    private bool TryMarkSet() => Interlocked.Exchange(ref _isSet, 1) == 0;

    // The numbers lie here and not with the watched, because few connections are watched at any time.
    private readonly record struct Entry(IWatched Watched, int Ticks, int Mark);
}
