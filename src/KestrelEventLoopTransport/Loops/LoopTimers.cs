using System.Diagnostics.CodeAnalysis;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// Work that a loop runs later. Timers are few (the tick of a watch, a lingering close, a pause after a shortage), so
/// they cannot be cancelled. Work that has become pointless finds that out when it runs.
/// </summary>
internal sealed class LoopTimers
{
    private readonly Lock _lock = new();
    private readonly PriorityQueue<IThreadPoolWorkItem, long> _queue = new();
    private long _next = long.MaxValue;

    /// <summary>Adds work. Returns true when it is now the earliest, so that the loop must shorten its wait.</summary>
    internal bool Add(IThreadPoolWorkItem item, int delayMilliseconds)
    {
        var due = Environment.TickCount64 + delayMilliseconds;
        lock (_lock)
        {
            _queue.Enqueue(item, due);
            if (due >= _next)
            {
                return false;
            }

            Volatile.Write(ref _next, due);
            return true;
        }
    }

    /// <summary>Milliseconds until the earliest work is due, or -1 without any: the poller's time-out.</summary>
    internal int NextDelay
    {
        get
        {
            var next = Volatile.Read(ref _next);
            return next == long.MaxValue
                ? -1
                : (int)Math.Clamp(next - Environment.TickCount64, 0, int.MaxValue);
        }
    }

    /// <summary>Drops all work that has not run.</summary>
    internal void Clear()
    {
        lock (_lock)
        {
            _queue.Clear();
            Volatile.Write(ref _next, long.MaxValue);
        }
    }

    /// <summary>Takes one piece of work that is due.</summary>
    internal bool TryTake([NotNullWhen(true)] out IThreadPoolWorkItem? item)
    {
        item = null;
        if (Volatile.Read(ref _next) > Environment.TickCount64)
        {
            return false;
        }

        lock (_lock)
        {
            if (!_queue.TryPeek(out _, out var due) || due > Environment.TickCount64)
            {
                return false;
            }

            item = _queue.Dequeue();
            Volatile.Write(ref _next, _queue.TryPeek(out _, out var next) ? next : long.MaxValue);
            return true;
        }
    }
}
