using System.Collections.Concurrent;

namespace KestrelEventLoopTransport.Diagnostics;

/// <summary>
/// Hands values to user code (a logger, a listener of a meter) on the thread pool, one after another, for threads that
/// must not wait for it. Bounded: user code that never returns costs what is added meanwhile, not the process's memory.
/// </summary>
internal sealed class PoolQueue<T> : IThreadPoolWorkItem
{
    private const int Capacity = 10_000;

    private readonly ConcurrentQueue<T> _values = new();
    private readonly Action<T> _consume;

    // Values added and not yet consumed. Who makes it one schedules; who makes it zero is done.
    private int _count;

    /// <param name="consume">Gets the values. It must not throw.</param>
    internal PoolQueue(Action<T> consume) => _consume = consume;

    /// <summary>Adds a value, or drops it when there are too many.</summary>
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
            // Counted after it was added, so it is there.
            _values.TryDequeue(out var value);
            _consume(value!);
        }
        while (Interlocked.Decrement(ref _count) != 0);
    }
}
