using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// The work that is posted to a loop, and the wake-up of the thread that runs the loop. After the loop's end, work goes
/// to the thread pool.
/// </summary>
/// <remarks>
/// <para>
/// No work is lost. Whoever posts enqueues first and then wakes the loop, unless a wake-up is on its way. The loop
/// first polls, then says that no wake-up is on its way, and then reads the queue. So an item is either in the queue
/// when the loop reads it, or its wake-up ends the next poll.
/// </para>
/// <para>
/// The loop's own thread wakes nobody, since it reads the queue before it polls. Becoming the owner is a full fence: a
/// thread that posts work and takes itself for the owner has enqueued before the next owner reads the queue.
/// </para>
/// <para>
/// The end is a full fence as well: whoever posts either finds the end, and moves the work to the pool, or has enqueued
/// before the end moves it.
/// </para>
/// </remarks>
internal sealed class WorkQueue(PolledSet polled, PoolDispatch pool)
{
    private readonly ConcurrentQueue<IThreadPoolWorkItem> _items = new();
    private int _ownerThreadId;
    private int _wakePending;
    private volatile bool _hasEnded;

    /// <summary>Whether the calling thread is the one that runs the loop.</summary>
    internal bool IsCurrent => Environment.CurrentManagedThreadId == Volatile.Read(ref _ownerThreadId);

    internal bool IsEmpty => _items.IsEmpty;

    internal bool HasEnded => _hasEnded;

    /// <summary>Runs an item on the loop's thread; on the thread pool when the loop has ended.</summary>
    internal void Post(IThreadPoolWorkItem item)
    {
        _items.Enqueue(item);
        WakeLoop();
        if (_hasEnded)
        {
            MoveToPool();
        }
    }

    /// <summary>
    /// Lets the loop poll again soon, if another thread runs it. A full fence then, so that the loop sees what was
    /// written before.
    /// </summary>
    internal void WakeLoop()
    {
        if (!IsCurrent && Interlocked.Exchange(ref _wakePending, 1) == 0)
        {
            polled.Wake();
        }
    }

    /// <summary>The calling thread runs the loop from here on.</summary>
    internal void SetOwner() => Interlocked.Exchange(ref _ownerThreadId, Environment.CurrentManagedThreadId);

    /// <summary>The loop has polled, and is about to read the queue.</summary>
    internal void OnPolled() => Interlocked.Exchange(ref _wakePending, 0);

    internal bool TryTake([NotNullWhen(true)] out IThreadPoolWorkItem? item) => _items.TryDequeue(out item);

    /// <summary>The loop has ended.</summary>
    internal void End()
    {
        Interlocked.Exchange(ref _ownerThreadId, 0);
        _hasEnded = true;
        Interlocked.MemoryBarrier();
        MoveToPool();
    }

    private void MoveToPool()
    {
        while (_items.TryDequeue(out var item))
        {
            pool.Enqueue(item);
        }

        pool.Schedule();
    }
}
