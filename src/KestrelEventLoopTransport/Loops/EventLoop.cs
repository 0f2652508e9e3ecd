using System.Buffers;
using KestrelEventLoopTransport.Diagnostics;
using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Polling;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// A poller and the thread that waits for it. It polls descriptors, calls the objects that own them, and runs posted
/// work and timers. It knows nothing of connections, and only carries what those of one loop share: their memory and
/// their number. This file has the loop's life, <c>EventLoop.Turns.cs</c> has its turns.
/// </summary>
/// <remarks>
/// <para>
/// One thread at a time runs the loop: its owner. When application code does not return, the supervisor may hand the
/// loop to another thread. The old owner then finds that it has lost the loop (<see cref="ThreadActivity.LostLoop"/>)
/// and leaves <see cref="Run"/> without touching the loop again. The new owner goes on with the next event of the same
/// batch. A loop may also be lent to the thread pool (<see cref="LoopLoan"/>): then its owner changes with each turn.
/// </para>
/// <para>
/// Only the owner uses the events of the last poll and the timers' wheel. They pass to the next owner with the state
/// of the activity: the old owner writes it before the application code begins, and the supervisor moves it before the
/// next owner starts. Any thread may post work, set timers, and register descriptors.
/// </para>
/// <para>
/// A loop that stops is ended once: by its owner, or by the supervisor if application code keeps the owner. Nothing
/// polls after that. Work that is left, and work that is posted later, runs on the thread pool.
/// </para>
/// </remarks>
internal sealed partial class EventLoop : ITrafficSource
{
    private readonly PolledSet _polled = new();
    private readonly EdgeWatch _watch;
    private readonly WorkQueue _work;
    private readonly LoopLoan _loan;
    private readonly bool _lends;
    private readonly ILoopSupervisor _supervisor;
    private readonly Action<EventLoop> _onExit;
    private readonly ILogger _logger;
    private volatile bool _stopping;

    /// <param name="index">The loop's number in its group, from 0.</param>
    /// <param name="pool">The memory of the loop's connections.</param>
    /// <param name="scheduling">Where application callbacks run.</param>
    /// <param name="supervisor">Watches the loop's callbacks.</param>
    /// <param name="activities">The activities of threads of the pool that run the loop's callbacks.</param>
    /// <param name="logger">A logger that does not throw.</param>
    /// <param name="onExit">Is called once when the loop has ended.</param>
    internal EventLoop(
        int index,
        MemoryPool<byte> pool,
        ApplicationScheduling scheduling,
        ILoopSupervisor supervisor,
        PoolActivities activities,
        ILogger logger,
        Action<EventLoop> onExit)
    {
        Index = index;
        Pool = pool;
        _supervisor = supervisor;
        _logger = logger;
        _onExit = onExit;
        _watch = new EdgeWatch(this);
        var dispatch = new PoolDispatch(activities, OnCallbackFailed);
        _work = new WorkQueue(_polled, dispatch);
        _loan = new LoopLoan(this, LoanPool.Shared);
        _lends = scheduling != ApplicationScheduling.Inline;
        Callbacks = new CallbackScheduler(scheduling, supervisor, _work, dispatch, _loan);
        Feature = new LoopFeature(this);
    }

    /// <summary>The loop's number in its group, from 0.</summary>
    internal int Index { get; }

    /// <summary>The number of the loop's connections.</summary>
    internal LoopLoad Load { get; } = new();

    /// <summary>The number of the loop's turns and their events.</summary>
    internal LoopCounters Counters { get; } = new();

    /// <summary>The memory of the loop's connections.</summary>
    internal MemoryPool<byte> Pool { get; }

    /// <summary>Watches the loop's callbacks.</summary>
    internal ILoopSupervisor Supervisor => _supervisor;

    /// <summary>Decides where application callbacks run.</summary>
    internal CallbackScheduler Callbacks { get; }

    /// <summary>What applications see of the loop.</summary>
    internal LoopFeature Feature { get; }

    /// <summary>Whether the calling thread is the one that runs the loop.</summary>
    internal bool IsCurrent => _work.IsCurrent;

    /// <summary>
    /// Whether something waits for the loop while its thread is inside application code. A timer that was moved to a
    /// later time counts when its old time has come: the loop has to file it again.
    /// </summary>
    internal bool HasWaiting
        => _polled.HasNext || !_work.IsEmpty || Callbacks.HasPooled || NextTimerDelay == 0 || _polled.HasEvents;

    /// <summary>The loop's timers. Only a thread that owns them uses the wheel.</summary>
    internal TimerWheel Timers { get; } = new();

    /// <summary>
    /// Whether the calling thread may use the timers' wheel: it runs the loop and cannot lose it at this moment. Inside
    /// application code it may lose the loop at any time.
    /// </summary>
    /// <remarks>
    /// A thread that has lost the loop leaves it before it is free for another one, so an owner whose activity is clean
    /// is the owner indeed. A thread of the pool that runs a turn has no activity, and runs no application code.
    /// </remarks>
    internal bool OwnsTimers
        => IsCurrent
            && ThreadActivity.Current is null or { LostLoop: false, State: { IsRunning: false, IsStuck: false } };

    internal bool IsStopping => _stopping;

    /// <summary>
    /// Whether the loop has ended. Then nothing is polled any more, and posted work runs on the thread pool.
    /// </summary>
    internal bool HasEnded => _work.HasEnded;

    /// <summary>Frees what a loop holds that will not be started.</summary>
    internal void DisposeUnstarted()
    {
        _polled.Close();
        Pool.Dispose();
    }

    /// <summary>
    /// Ends the loop after its current turn. Timers that have not run are dropped, posted work goes to the thread pool.
    /// </summary>
    internal void Stop()
    {
        _stopping = true;
        _polled.Wake();
    }

    /// <summary>Starts polling a descriptor. Returns the token that ends it.</summary>
    internal ulong Register(int fd, IPollable pollable) => _polled.Register(fd, pollable);

    /// <summary>Starts polling a socket that is connecting. Returns the token that ends it.</summary>
    internal ulong RegisterConnecting(int fd, IPollable pollable)
        => _polled.Register(fd, pollable, isConnecting: true);

    /// <summary>A socket is connected: its events go to another pollable, those that are there too.</summary>
    internal void EndConnecting(int fd, ulong token, IPollable pollable)
    {
        _polled.Replace(token, pollable);
        _polled.EndConnecting(fd, token);
    }

    /// <inheritdoc cref="Poller.TryAddWritable"/>
    internal bool TryAddWritable(int fd, ulong token) => _polled.TryAddWritable(fd, token);

    /// <summary>Gives the events of a descriptor to another pollable, from the next edge on.</summary>
    /// <param name="token">What <see cref="Register"/> returned.</param>
    /// <param name="pollable">The pollable that gets them.</param>
    internal void Replace(ulong token, IPollable pollable) => _polled.Replace(token, pollable);

    /// <summary>What the loop polls now. Any thread.</summary>
    internal List<IPollable> ListPolled() => _polled.List();

    /// <inheritdoc cref="PollableTable.CopyTo"/>
    internal void CopyPolledTo(List<IPollable> list, int limit) => _polled.CopyTo(list, limit);

    Traffic ITrafficSource.ReadOpen()
    {
        var sum = default(Traffic);
        foreach (var polled in ListPolled())
        {
            sum += polled.Traffic;
        }

        return sum;
    }

    /// <summary>Asks in a moment whether an edge has been answered.</summary>
    internal void Watch(IWatched watched) => _watch.Add(watched);

    /// <summary>Stops polling a descriptor that is about to be closed.</summary>
    /// <param name="token">What <see cref="Register"/> returned.</param>
    /// <param name="fd">
    /// The descriptor, when another one keeps the socket open, so that the poller must drop it; else -1.
    /// </param>
    internal void Unregister(ulong token, int fd = -1) => _polled.Unregister(token, fd);

    /// <summary>
    /// Runs work as the loop, on the thread that runs it, after the events of the current turn; on the thread pool when
    /// the loop has ended.
    /// </summary>
    internal void Post(IThreadPoolWorkItem item) => _work.Post(item);

    /// <summary>Runs the loop until it stops or the calling thread has lost it.</summary>
    internal void Run(ThreadActivity activity)
    {
        _work.SetOwner();

        // The owner before may have left callbacks of its poll behind.
        Callbacks.Flush();
        try
        {
            while (!_stopping)
            {
                if (!RunTurn(activity) || (_lends && _loan.TryLend() && !RunLeftCallbacks(activity)))
                {
                    _work.Leave();
                    return;
                }
            }
        }
        catch (Exception exception)
        {
            // Only the poller itself can throw here. A server that cannot poll must not look alive.
            LoopLog.LoopFailed(_logger, exception);
            throw;
        }

        End();
    }

    /// <summary>Ends a stopping loop whose owner has lost it.</summary>
    internal void EndWithoutOwner()
        => ThreadPool.UnsafeQueueUserWorkItem(static loop => loop.End(), this, preferLocal: false);

    /// <summary>
    /// Logs what a callback threw. The rule is the same on a loop and on the pool: it is logged, and ends nothing.
    /// </summary>
    internal void OnCallbackFailed(Exception exception) => LoopLog.CallbackFailed(_logger, exception);

    /// <summary>A connection has input.</summary>
    /// <param name="isWrittenOutside">Whether its output comes from outside of its callbacks.</param>
    internal void OnEdge(bool isWrittenOutside) => _loan.OnEdge(isWrittenOutside);

    private void End()
    {
        _work.End();
        Counters.BeginWait();

        // A thread of the runtime's pool may keep a loop that has ended, and these would keep its connections. The
        // connections that end now find no timer filed.
        DropTimers();
        _polled.End();
        _watch.Clear();
        _onExit(this);
    }
}
