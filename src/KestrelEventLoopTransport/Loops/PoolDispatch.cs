using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using KestrelEventLoopTransport.Loops.Adaptive;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// Hands a loop's application callbacks to the thread pool in batches: one work item of the pool runs many, instead
/// of one each, which would wake a thread for each.
/// </summary>
/// <remarks>
/// While callbacks are queued, a work item is scheduled: the loop schedules one after a poll, and a work item that
/// leaves callbacks behind in the queue schedules the next before it runs its own, which may block.
/// </remarks>
internal sealed class PoolDispatch : IThreadPoolWorkItem
{
    // Other work of the pool gets its turn, as between the items of the pool's own queue.
    private const int MaxMilliseconds = 15;

    private readonly ConcurrentQueue<IThreadPoolWorkItem> _callbacks = new();
    private readonly FreeSlots _slots;
    private readonly Action<Exception> _onFailed;
    private int _scheduled;

    /// <param name="slots">The slots of the threads that run callbacks.</param>
    /// <param name="onFailed">Is told what a callback threw.</param>
    internal PoolDispatch(FreeSlots slots, Action<Exception> onFailed)
    {
        _slots = slots;
        _onFailed = onFailed;
    }

    internal bool IsEmpty => _callbacks.IsEmpty;

    internal bool TryDequeue([NotNullWhen(true)] out IThreadPoolWorkItem? callback) => _callbacks.TryDequeue(out callback);

    internal void Enqueue(IThreadPoolWorkItem callback) => _callbacks.Enqueue(callback);

    internal void Schedule()
    {
        if (!_callbacks.IsEmpty && Interlocked.Exchange(ref _scheduled, 1) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        // Before the queue is read: what is enqueued after this line gets a work item of its own.
        Interlocked.Exchange(ref _scheduled, 0);

        var slot = _slots.Take();
        DispatchSlot.OfThread = slot;
        try
        {
            RunCallbacks();
        }
        finally
        {
            DispatchSlot.OfThread = null;
            _slots.Return(slot);
        }
    }

    private void RunCallbacks()
    {
        var start = Environment.TickCount64;
        while (_callbacks.TryDequeue(out var callback))
        {
            Schedule();
            Execute(callback);
            if (Environment.TickCount64 - start > MaxMilliseconds)
            {
                return;
            }
        }
    }

    private void Execute(IThreadPoolWorkItem callback)
    {
        try
        {
            callback.Execute();
        }
        catch (Exception exception)
        {
            // As on a loop: it must not end the process.
            _onFailed(exception);
        }
    }
}
