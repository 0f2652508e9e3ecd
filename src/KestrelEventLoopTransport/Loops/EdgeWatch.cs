using System.Collections.Concurrent;

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

    private readonly ConcurrentQueue<IWatched> _watched = new();
    private int _isScheduled;

    /// <summary>Any thread may add.</summary>
    internal void Add(IWatched watched)
    {
        _watched.Enqueue(watched);
        ScheduleTick();
    }

    /// <summary>Forgets everybody: the loop has ended.</summary>
    internal void Clear() => _watched.Clear();

    void IThreadPoolWorkItem.Execute()
    {
        Interlocked.Exchange(ref _isScheduled, 0);
        for (var left = _watched.Count; left > 0 && _watched.TryDequeue(out var watched); left--)
        {
            if (watched.OnWatch())
            {
                _watched.Enqueue(watched);
            }
        }
        if (!_watched.IsEmpty)
        {
            ScheduleTick();
        }
    }

    private void ScheduleTick()
    {
        if (Interlocked.Exchange(ref _isScheduled, 1) == 0)
        {
            loop.Schedule(this, TickMilliseconds);
        }
    }
}
