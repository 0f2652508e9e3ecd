using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// The work that is posted to a loop, and the wake-up of the thread that runs the loop. After the loop's end, work goes
/// to the thread pool.
/// </summary>
/// <remarks>
/// <para>
/// No work is lost. A thread that posts enqueues first and then moves the <see cref="WakeWord"/>: it wakes the loop
/// unless a wake-up is on its way, or moves the work to the pool if the loop has ended. The loop looks at the queue,
/// polls, and says that no wake-up is on its way. Then it looks again. So an item is either in the queue at one of
/// these looks, or its wake-up ends the next poll.
/// </para>
/// <para>
/// A thread that takes itself for the owner does not wake the loop. Enqueueing is a full fence, and so is becoming the
/// owner: either the thread sees the next owner, or that one sees the item. The same holds for the end.
/// </para>
/// </remarks>
internal sealed class WorkQueue(PolledSet polled, PoolDispatch pool)
{
    private readonly ConcurrentQueue<IThreadPoolWorkItem> _items = new();
    private WakeWord _wake;

    /// <summary>Whether the calling thread is the one that runs the loop.</summary>
    internal bool IsCurrent => _wake.IsOwner;

    internal bool IsEmpty => _items.IsEmpty;

    /// <summary>How many items wait. Those that are posted meanwhile may not be counted.</summary>
    internal int Count => _items.Count;

    internal bool HasEnded => _wake.HasEnded;

    /// <summary>Runs an item on the loop's thread; on the thread pool when the loop has ended.</summary>
    internal void Post(IThreadPoolWorkItem item)
    {
        _items.Enqueue(item);
        if (Wake() == WakeAction.MoveToPool)
        {
            MoveToPool();
        }
    }

    /// <summary>
    /// Lets the loop poll again soon, if another thread runs it. A full fence then, so that the loop sees what was
    /// written before.
    /// </summary>
    internal void WakeLoop() => Wake();

    /// <summary>The calling thread runs the loop from here on.</summary>
    internal void SetOwner() => _wake.Own();

    /// <summary>Polls. Does not wait if there is work.</summary>
    /// <param name="timeoutMilliseconds">-1 waits for ever, 0 does not wait.</param>
    internal void Poll(int timeoutMilliseconds)
    {
        polled.Poll(IsEmpty ? timeoutMilliseconds : 0);
        _wake.Poll();
    }

    /// <summary>The same, for a time that may be shorter than a millisecond.</summary>
    internal void Poll(TimeSpan timeout)
    {
        polled.Poll(IsEmpty ? timeout : TimeSpan.Zero);
        _wake.Poll();
    }

    /// <summary>The calling thread has lost the loop, and touches nothing of it from here on.</summary>
    internal void Leave() => _wake.Leave();

    /// <summary>The calling thread, which runs the loop, gives it away.</summary>
    internal void Disown() => _wake.Disown();

    /// <summary>
    /// The calling thread runs a loop from here on that was given away. It looks at the queue before it sleeps, and
    /// needs a wake-up from now on.
    /// </summary>
    internal void TakeOver()
    {
        _wake.Own();
        _wake.Poll();
    }

    internal bool TryTake([NotNullWhen(true)] out IThreadPoolWorkItem? item) => _items.TryDequeue(out item);

    /// <summary>The loop has ended.</summary>
    internal void End()
    {
        _wake.End();
        MoveToPool();
    }

    private WakeAction Wake()
    {
        var action = _wake.Post();
        if (action == WakeAction.Wake)
        {
            polled.Wake();
        }

        return action;
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
