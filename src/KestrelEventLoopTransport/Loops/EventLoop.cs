using System.Buffers;
using System.Collections.Concurrent;
using KestrelEventLoopTransport.Diagnostics;
using KestrelEventLoopTransport.Loops.Adaptive;
using KestrelEventLoopTransport.Polling;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// A poller and whoever waits for it. Polls descriptors and tells their owners, runs posted work and timers. Knows
/// nothing of connections.
/// </summary>
/// <remarks>
/// <para>
/// One thread at a time runs the loop: its owner. With adaptive scheduling the supervisor gives the loop to another
/// thread when application code does not return (<see cref="DispatchSlot"/>). The old owner then leaves
/// <see cref="Run"/> without touching the loop again; the new one goes on with the next event of the same batch.
/// </para>
/// <para>
/// The owner's: <c>_count</c> and <c>_next</c>, the place in the batch, and the poller's events. They pass to the next
/// owner with the slot's word (written before the application code began, read after it was taken). Everybody's: the
/// work queue, the timers, the table of pollables.
/// </para>
/// <para>
/// A loop that stops is ended once, by its owner or, if application code keeps that one, by whoever has taken the loop
/// away from it. Nothing polls then. Work that is left, and what is posted later, runs on the thread pool.
/// </para>
/// </remarks>
internal sealed partial class EventLoop
{
    // Work posted while work runs waits for the next turn, so that the poller is never starved.
    private const int MaxWorkPerTurn = 256;

    // Events between two times that the supervisor hears of progress: reading the clock is cheap, but not free.
    private const int EventsPerProgress = 16;

    private readonly Poller _poller;
    private readonly PollableTable _pollables = new();
    private readonly LoopTimers _timers = new();
    private readonly EdgeWatch _watch;
    private readonly ConcurrentQueue<IThreadPoolWorkItem> _work = new();
    private readonly PoolDispatch _poolDispatch;
    private readonly ApplicationScheduling _scheduling;
    private readonly Supervisor _supervisor;
    private readonly StandbyThreads _standbys;
    private readonly Action<EventLoop> _onExit;
    private readonly ILogger _logger;
    private int _ownerThreadId;
    private int _wakePending;
    private int _count;
    private int _next;
    private volatile bool _stopping;
    private volatile bool _hasEnded;

    internal EventLoop(
        int index,
        MemoryPool<byte> pool,
        ApplicationScheduling scheduling,
        Supervisor supervisor,
        StandbyThreads standbys,
        ILogger logger,
        Action<EventLoop> onExit)
    {
        Index = index;
        Pool = pool;
        _scheduling = scheduling;
        _supervisor = supervisor;
        _standbys = standbys;
        _logger = logger;
        _onExit = onExit;
        _poolDispatch = new PoolDispatch(new FreeSlots(supervisor, standbys.IdleTime), OnCallbackFailed);
        _watch = new EdgeWatch(this);
        _poller = Poller.Create();
    }

    /// <summary>The loop's number in its group, from 0.</summary>
    internal int Index { get; }

    /// <summary>The loop's connections, counted.</summary>
    internal LoopLoad Load { get; } = new();

    /// <summary>The memory of this loop's connections.</summary>
    internal MemoryPool<byte> Pool { get; }

    /// <summary>Whether the loop may be given to another thread while it runs.</summary>
    internal bool ChangesHands => _scheduling == ApplicationScheduling.Adaptive;

    /// <summary>The thread that runs the loop, as the supervisor knows it. Null after the end.</summary>
    internal LoopThread? Owner { get; private set; }

    /// <summary>Whether the calling thread is the one that runs the loop.</summary>
    internal bool IsCurrent => Environment.CurrentManagedThreadId == Volatile.Read(ref _ownerThreadId);

    /// <summary>Whether application code runs on the loop's thread now, rather than on the thread pool.</summary>
    internal bool RunsApplication => _scheduling switch
    {
        ApplicationScheduling.Inline => true,
        ApplicationScheduling.Adaptive => _standbys.SufficeForAll,
        _ => false,
    };

    /// <summary>Whether something waits for the loop while its thread is inside application code.</summary>
    internal bool HasWaiting
        => Volatile.Read(ref _next) < Volatile.Read(ref _count)
            || !_work.IsEmpty
            || HasPooled
            || _timers.NextDelay == 0
            || _poller.HasEvents();

    /// <summary>Whether callbacks wait for the thread pool that the loop may take back.</summary>
    internal bool HasPooled => ChangesHands && !_poolDispatch.IsEmpty;

    internal bool IsStopping => _stopping;

    /// <summary>
    /// Whether the loop has ended: nothing is polled any more, and posted work runs on the thread pool.
    /// </summary>
    internal bool HasEnded => _hasEnded;

    private bool TakesBackPooled => ChangesHands && RunsApplication;

    /// <summary>Lets a thread run the loop. The one before must have ended or lost it.</summary>
    internal void GiveTo(LoopThread thread)
    {
        Owner = thread;
        thread.Assign(this);
    }

    /// <summary>Gives back what a loop holds that will not be started.</summary>
    internal void DisposeUnstarted()
    {
        _poller.Dispose();
        Pool.Dispose();
    }

    /// <summary>
    /// Ends the loop after its current turn. Timers that have not run are dropped, posted work goes to the thread pool.
    /// </summary>
    internal void Stop()
    {
        _stopping = true;
        _poller.Wake();
    }

    /// <summary>Starts polling a descriptor. Returns the token that ends it.</summary>
    internal ulong Register(int fd, IPollable pollable)
    {
        var token = _pollables.Add(pollable);
        try
        {
            _poller.Add(fd, token);
        }
        catch
        {
            _pollables.Remove(token);
            throw;
        }

        return token;
    }

    /// <summary>Lets another pollable have the events of a descriptor, from whichever edge comes next.</summary>
    /// <param name="token">What <see cref="Register"/> returned.</param>
    /// <param name="pollable">Who has them from here on.</param>
    internal void Replace(ulong token, IPollable pollable) => _pollables.Replace(token, pollable);

    /// <summary>Asks in a moment whether an edge has been answered.</summary>
    internal void Watch(IWatched watched) => _watch.Add(watched);

    /// <summary>Forgets a pollable whose descriptor is about to be closed.</summary>
    /// <param name="token">What <see cref="Register"/> returned.</param>
    /// <param name="fd">The descriptor, when somebody else keeps it open and the poller must be told; else -1.</param>
    internal void Unregister(ulong token, int fd = -1)
    {
        _pollables.Remove(token);
        _poller.Forget(token);
        if (fd >= 0)
        {
            _poller.Remove(fd);
        }
    }

    /// <summary>
    /// Runs an application callback on the thread pool. Those of one poll go to the pool together.
    /// </summary>
    internal void PostToPool(IThreadPoolWorkItem callback)
    {
        _poolDispatch.Enqueue(callback);
        if (ChangesHands)
        {
            // For TakeBackPooled.
            _supervisor.EnsureAwake();
        }

        if (!IsCurrent)
        {
            _poolDispatch.Schedule();
        }
    }

    /// <summary>
    /// Runs the rest of a callback later, so that others have their turn. With
    /// <see cref="ApplicationScheduling.Inline"/> that is on the thread pool: application code that waits for it,
    /// synchronously, would keep the loop for ever.
    /// </summary>
    internal void Yield(IThreadPoolWorkItem item)
    {
        if (_scheduling == ApplicationScheduling.Inline)
        {
            _poolDispatch.Enqueue(item);
            _poolDispatch.Schedule();
        }
        else
        {
            Post(item);
        }
    }

    /// <summary>
    /// For a callback that was posted to the loop when application code could run there: posts it to the pool instead
    /// if it has come to run on the loop's thread and no longer may.
    /// </summary>
    internal bool MovesToPool(IThreadPoolWorkItem callback)
    {
        if (RunsApplication || !IsCurrent)
        {
            return false;
        }

        PostToPool(callback);
        return true;
    }

    /// <summary>
    /// Runs work on the loop's thread, after the events of the current turn; on the thread pool when the loop has
    /// ended.
    /// </summary>
    internal void Post(IThreadPoolWorkItem item)
    {
        _work.Enqueue(item);

        // A full fence, unless this thread runs the loop, or was the last to: see Run.
        WakeUnlessCurrent();
        if (_hasEnded)
        {
            LeaveWorkToPool();
        }
    }

    /// <summary>Runs work on the loop's thread after a delay.</summary>
    internal void Schedule(IThreadPoolWorkItem item, int delayMilliseconds)
    {
        if (_timers.Add(item, delayMilliseconds))
        {
            WakeUnlessCurrent();
        }
    }

    /// <summary>
    /// Called at every tick by the supervisor, which stays awake while callbacks wait for the pool: standby threads
    /// that are back let the loop run itself what went there for want of them. Handlers that block the pool's few
    /// threads would keep it waiting.
    /// </summary>
    internal void TakeBackPooled()
    {
        if (HasPooled && TakesBackPooled)
        {
            WakeUnlessCurrent();
        }
    }

    private void WakeUnlessCurrent()
    {
        if (!IsCurrent && Interlocked.Exchange(ref _wakePending, 1) == 0)
        {
            _poller.Wake();
        }
    }

    /// <summary>Runs the loop until it stops or is taken away from the calling thread.</summary>
    internal void Run(DispatchSlot slot)
    {
        // A full fence: who posted before it and still took the old owner for the current one did not wake anybody.
        Interlocked.Exchange(ref _ownerThreadId, Environment.CurrentManagedThreadId);

        // The owner before may have left callbacks of its poll behind.
        _poolDispatch.Schedule();
        try
        {
            while (!_stopping)
            {
                if (!RunTurn(slot))
                {
                    return;
                }
            }
        }
        catch (Exception exception)
        {
            // Only the poller itself can throw here. A server that cannot poll must not look alive.
            LogLoopFailed(_logger, exception);
            throw;
        }

        End();
    }

    /// <summary>Ends a stopping loop that was taken away from its owner.</summary>
    internal void EndWithoutOwner()
    {
        // Now: the thread may soon be another loop's.
        Owner = null;
        ThreadPool.UnsafeQueueUserWorkItem(static loop => loop.End(), this, preferLocal: false);
    }

    /// <summary>Gives back what the loop holds.</summary>
    private void End()
    {
        Owner = null;

        // Full fences: who posts either finds the end, and another owner, or has posted before the queues are read.
        Interlocked.Exchange(ref _ownerThreadId, 0);
        _hasEnded = true;
        Interlocked.MemoryBarrier();
        LeaveWorkToPool();
        foreach (var pollable in _pollables.All())
        {
            pollable.OnLoopEnded();
        }

        _poller.Dispose();

        // A thread of the runtime's pool may keep a loop that has ended, and these would keep its connections.
        _timers.Clear();
        _watch.Clear();
        _onExit(this);
    }

    private void LeaveWorkToPool()
    {
        while (_work.TryDequeue(out var item))
        {
            _poolDispatch.Enqueue(item);
        }

        _poolDispatch.Schedule();
    }

    /// <summary>
    /// One rule for what leaves a callback, on a loop and on the pool: it is logged, and ends nothing.
    /// </summary>
    internal void OnCallbackFailed(Exception exception) => LogCallbackFailed(_logger, exception);

    /// <summary>
    /// Polls once, unless events are left from before, and runs what is due. False when the loop was taken away.
    /// </summary>
    private bool RunTurn(DispatchSlot slot)
    {
        if (_next == _count)
        {
            _next = 0;
            _count = 0;
            _count = _poller.Wait(_work.IsEmpty ? _timers.NextDelay : 0);

            // Before the queues are read: who posts after this line wakes the next wait.
            Interlocked.Exchange(ref _wakePending, 0);
        }

        while (_next < _count)
        {
            var events = _poller.GetEvent(_next++, out var token);
            Dispatch(_pollables.Find(token), events);
            if (slot.LostLoop)
            {
                return false;
            }

            if (_next % EventsPerProgress == 0)
            {
                _supervisor.OnProgress();
            }
        }

        if (!RunWork(slot) || !RunPooled(slot))
        {
            return false;
        }

        _poolDispatch.Schedule();
        _supervisor.OnProgress();
        return true;
    }

    private void Dispatch(IPollable? pollable, PollEvents events)
    {
        try
        {
            pollable?.OnReady(events);
        }
        catch (Exception exception)
        {
            OnCallbackFailed(exception);
        }
    }

    private bool RunWork(DispatchSlot slot)
    {
        while (_timers.TryTake(out var timer))
        {
            Execute(timer!);
            if (slot.LostLoop)
            {
                return false;
            }
        }

        for (var i = 0; i < MaxWorkPerTurn && _work.TryDequeue(out var item); i++)
        {
            Execute(item);
            if (slot.LostLoop)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Runs what waits for the thread pool, where the loop's thread may do it.</summary>
    private bool RunPooled(DispatchSlot slot)
    {
        for (var i = 0; i < MaxWorkPerTurn && TakesBackPooled && _poolDispatch.TryDequeue(out var callback); i++)
        {
            Execute(callback);
            if (slot.LostLoop)
            {
                return false;
            }
        }

        return true;
    }

    private void Execute(IThreadPoolWorkItem item)
    {
        try
        {
            item.Execute();
        }
        catch (Exception exception)
        {
            OnCallbackFailed(exception);
        }
    }

    [LoggerMessage(1, LogLevel.Critical, "An event loop failed; the process cannot serve its connections any more.", EventName = "LoopFailed")]
    private static partial void LogLoopFailed(ILogger logger, Exception exception);

    [LoggerMessage(2, LogLevel.Error, "A callback threw an exception; its event loop and the other connections go on.", EventName = "CallbackFailed")]
    private static partial void LogCallbackFailed(ILogger logger, Exception exception);
}
