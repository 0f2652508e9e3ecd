using System.Collections.Concurrent;
using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// Asks, a few milliseconds after an edge that found no reader waiting, whether it has been answered. A reader that
/// comes in time costs nothing but its place in the queue; one that does not come has its bytes received ahead.
/// </summary>
/// <remarks>
/// While the queue holds somebody, a tick is scheduled: who adds schedules one unless there is one; a tick clears the
/// mark before it reads the queue, and schedules the next if it leaves somebody behind.
/// </remarks>
internal sealed class EdgeWatch(EventLoop loop) : IThreadPoolWorkItem
{
    // Long beside the time in which a reader that is at work comes back, short beside what a person notices.
    private const int TickMilliseconds = 5;

    // Other connections of the loop get their turn.
    private static readonly TimeSpan _longestTick = TimeSpan.FromMilliseconds(1);

    private readonly ConcurrentQueue<IWatched> _watched = new();
    private int _isScheduled;

    /// <summary>Any thread may add.</summary>
    internal void Add(IWatched watched)
    {
        _watched.Enqueue(watched);
        ScheduleTick(TickMilliseconds);
    }

    /// <summary>Forgets everybody: the loop has ended.</summary>
    internal void Clear() => _watched.Clear();

    void IThreadPoolWorkItem.Execute()
    {
        Interlocked.Exchange(ref _isScheduled, 0);
        var start = Stopwatch.GetTimestamp();
        var left = _watched.Count;
        while (left > 0 && Stopwatch.GetElapsedTime(start) < _longestTick && _watched.TryDequeue(out var watched))
        {
            left--;
            Ask(watched);
        }

        if (!_watched.IsEmpty)
        {
            // The rest soon, when the loop has polled.
            ScheduleTick(left > 0 ? 1 : TickMilliseconds);
        }
    }

    private void Ask(IWatched watched)
    {
        var again = true;
        try
        {
            again = watched.OnWatch();
        }
        finally
        {
            if (again)
            {
                _watched.Enqueue(watched);
            }
        }
    }

    private void ScheduleTick(int milliseconds)
    {
        if (Interlocked.Exchange(ref _isScheduled, 1) == 0)
        {
            loop.Schedule(this, milliseconds);
        }
    }
}
