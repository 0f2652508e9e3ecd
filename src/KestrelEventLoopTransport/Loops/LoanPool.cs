namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// The thread pool as loans see it. Their own items are no work: two lent loops would keep each other lent.
/// </summary>
/// <param name="queue">Queues a work item behind the others.</param>
/// <param name="countPending">Counts the work items that wait.</param>
internal sealed class LoanPool(Action<IThreadPoolWorkItem> queue, Func<long> countPending)
{
    private int _items;

    /// <summary>The .NET thread pool.</summary>
    internal static LoanPool Shared { get; } = new(
        static item => ThreadPool.UnsafeQueueUserWorkItem(item, preferLocal: false),
        static () => ThreadPool.PendingWorkItemCount);

    /// <summary>Whether work waits that is not a loan's item. A hint: it may miss some.</summary>
    internal bool HasWork => countPending() > Volatile.Read(ref _items);

    /// <summary>Whether nothing waits, no loan's item either. A hint, too.</summary>
    internal bool IsIdle => countPending() == 0;

    /// <summary>Queues the item of a loan.</summary>
    internal void Queue(IThreadPoolWorkItem item)
    {
        Interlocked.Increment(ref _items);
        queue(item);
    }

    /// <summary>The item of a loan has begun to run.</summary>
    internal void OnStarted() => Interlocked.Decrement(ref _items);
}
