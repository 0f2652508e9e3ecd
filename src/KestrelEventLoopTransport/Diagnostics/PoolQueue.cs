using System.Collections.Concurrent;

namespace KestrelEventLoopTransport.Diagnostics;

/// <summary>
/// Passes values to user code (a logger, a listener of a meter) on the thread pool, one after another. For threads that
/// must not wait for user code. The queue is bounded: when user code never returns, later values are dropped.
/// </summary>
internal sealed class PoolQueue<T> : IThreadPoolWorkItem
{
    private const int Capacity = 10_000;

    private readonly ConcurrentQueue<T> _values = new();
    private readonly Action<T> _consume;

    // Number of values that are added and not consumed. The thread that makes it 1 queues the work item. The work item
    // ends when it makes it 0.
    private int _count;

    /// <param name="consume">Consumes a value. It must not throw.</param>
    internal PoolQueue(Action<T> consume) => _consume = consume;

    /// <summary>Adds a value, or drops it when the queue is full.</summary>
    internal void Add(T value)
    {
        if (Volatile.Read(ref _count) >= Capacity)
        {
            return;
        }

        _values.Enqueue(value);
        if (Interlocked.Increment(ref _count) == 1)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        do
        {
            // A value is counted after it was added, so the queue has one.
            _values.TryDequeue(out var value);
            _consume(value!);
        }
        while (Interlocked.Decrement(ref _count) != 0);
    }
}
