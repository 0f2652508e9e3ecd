using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// Hands a loop's application callbacks to the thread pool in batches. One work item of the pool runs many callbacks; a
/// work item for each would wake a thread for each.
/// </summary>
/// <remarks>
/// While callbacks are queued, a work item is scheduled. The loop schedules one after each poll. A work item that
/// leaves callbacks in the queue schedules the next before it runs its own, because its own may block.
/// </remarks>
internal sealed class PoolDispatch : IThreadPoolWorkItem
{
    // Then other work of the pool gets its turn, as it does between the items of the pool's own queue.
    private const int MaxMilliseconds = 15;

    private readonly ConcurrentQueue<IThreadPoolWorkItem> _callbacks = new();
    private readonly PoolActivities _activities;
    private readonly Action<Exception> _onFailed;
    private int _scheduled;

    /// <param name="activities">The activities of the threads that run callbacks.</param>
    /// <param name="onFailed">Gets what a callback threw.</param>
    internal PoolDispatch(PoolActivities activities, Action<Exception> onFailed)
    {
        _activities = activities;
        _onFailed = onFailed;
    }

    internal bool IsEmpty => _callbacks.IsEmpty;

    internal bool TryDequeue([NotNullWhen(true)] out IThreadPoolWorkItem? callback)
        => _callbacks.TryDequeue(out callback);

    internal void Enqueue(IThreadPoolWorkItem callback) => _callbacks.Enqueue(callback);

    /// <summary>Lets the pool run what is queued.</summary>
    internal void Schedule()
    {
        if (!_callbacks.IsEmpty && Interlocked.Exchange(ref _scheduled, 1) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        // Before the queue is read, so that what is enqueued after this line gets a work item of its own.
        Interlocked.Exchange(ref _scheduled, 0);
        Run(schedulesRest: true);
    }

    /// <summary>
    /// Runs what is queued on the calling thread of the pool. If a callback blocks, some other thread has to schedule
    /// the rest.
    /// </summary>
    /// <param name="schedulesRest">Whether the rest is scheduled before a callback runs.</param>
    internal void RunHere(bool schedulesRest)
    {
        if (!_callbacks.IsEmpty)
        {
            Run(schedulesRest);
            Schedule();
        }
    }

    private void Run(bool schedulesRest)
    {
        var activity = _activities.Take();
        ThreadActivity.Current = activity;
        try
        {
            RunCallbacks(schedulesRest);
        }
        finally
        {
            ThreadActivity.Current = null;
            _activities.Return(activity);
        }
    }

    private void RunCallbacks(bool schedulesRest)
    {
        var start = Environment.TickCount64;
        while (_callbacks.TryDequeue(out var callback))
        {
            if (schedulesRest)
            {
                Schedule();
            }

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
            // It must not end the process, and would not on a loop either.
            _onFailed(exception);
        }
    }
}
