using System.Buffers;
using System.Collections.Concurrent;
using KestrelEventLoopTransport.Polling;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// One thread, one poller. Polls descriptors and tells their owners, runs posted work and timers. Knows nothing of
/// connections.
/// </summary>
internal sealed partial class EventLoop
{
    // Work posted while work runs waits for the next turn, so that the poller is never starved.
    private const int MaxWorkPerTurn = 256;

    private readonly Poller _poller;
    private readonly PollableTable _pollables = new();
    private readonly LoopTimers _timers = new();
    private readonly ConcurrentQueue<IThreadPoolWorkItem> _work = new();
    private readonly PoolDispatch _poolDispatch;
    private readonly DispatchSlot _slot;
    private readonly Action<EventLoop> _onExit;
    private readonly ILogger _logger;
    private readonly Thread _thread;
    private int _wakePending;
    private volatile bool _stopping;

    internal EventLoop(
        int index, MemoryPool<byte> pool, Supervisor supervisor, ILogger logger, Action<EventLoop> onExit)
    {
        Pool = pool;
        _logger = logger;
        _onExit = onExit;
        _poolDispatch = new PoolDispatch(supervisor);
        _slot = supervisor.AddSlot();
        _poller = Poller.Create();
        _thread = new Thread(Run) { IsBackground = true, Name = $"event-loop-{index}" };
    }

    /// <summary>The memory of this loop's connections.</summary>
    internal MemoryPool<byte> Pool { get; }

    /// <summary>Whether the calling thread is the loop's own.</summary>
    internal bool IsCurrent => Environment.CurrentManagedThreadId == _thread.ManagedThreadId;

    internal void Start() => _thread.UnsafeStart();

    /// <summary>Gives back what a loop holds that will not be started.</summary>
    internal void DisposeUnstarted()
    {
        _poller.Dispose();
        Pool.Dispose();
    }

    /// <summary>Ends the loop after its current turn. Posted work and timers that have not run are dropped.</summary>
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

    /// <summary>Forgets a pollable whose descriptor is about to be closed.</summary>
    /// <param name="token">What <see cref="Register"/> returned.</param>
    /// <param name="fd">The descriptor, when somebody else keeps it open and the poller must be told; else -1.</param>
    internal void Unregister(ulong token, int fd = -1)
    {
        _pollables.Remove(token);
        if (fd >= 0)
        {
            _poller.Remove(fd);
        }
    }

    /// <summary>
    /// Runs an application callback on the thread pool. Called by the loop's thread: the callbacks of one poll go
    /// to the pool together.
    /// </summary>
    internal void PostToPool(IThreadPoolWorkItem callback) => _poolDispatch.Enqueue(callback);

    /// <summary>Runs work on the loop's thread, after the events of the current turn.</summary>
    internal void Post(IThreadPoolWorkItem item)
    {
        _work.Enqueue(item);
        WakeUnlessCurrent();
    }

    /// <summary>Runs work on the loop's thread after a delay.</summary>
    internal void Schedule(IThreadPoolWorkItem item, int delayMilliseconds)
    {
        if (_timers.Add(item, delayMilliseconds))
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

    private void Run()
    {
        DispatchSlot.OfThread = _slot;
        try
        {
            while (!_stopping)
            {
                var count = _poller.Wait(_work.IsEmpty ? _timers.NextDelay : 0);

                // Before the queues are read: who posts after this line wakes the next wait.
                Interlocked.Exchange(ref _wakePending, 0);

                for (var i = 0; i < count; i++)
                {
                    var events = _poller.GetEvent(i, out var token);
                    Dispatch(_pollables.Find(token), events);
                }
                RunWork();
                _poolDispatch.Schedule();
            }
        }
        catch (Exception exception)
        {
            // Only the poller itself can throw here. A server that cannot poll must not look alive.
            LogLoopFailed(_logger, exception);
            throw;
        }
        finally
        {
            _poller.Dispose();
            _onExit(this);
        }
    }

    private void Dispatch(IPollable? pollable, PollEvents events)
    {
        try
        {
            pollable?.OnReady(events);
        }
        catch (Exception exception)
        {
            LogCallbackFailed(_logger, exception);
        }
    }

    private void RunWork()
    {
        while (_timers.TryTake(out var timer))
        {
            Execute(timer!);
        }
        for (var i = 0; i < MaxWorkPerTurn && _work.TryDequeue(out var item); i++)
        {
            Execute(item);
        }
    }

    private void Execute(IThreadPoolWorkItem item)
    {
        try
        {
            item.Execute();
        }
        catch (Exception exception)
        {
            LogCallbackFailed(_logger, exception);
        }
    }

    [LoggerMessage(1, LogLevel.Critical, "An event loop failed; the process cannot serve its connections any more.", EventName = "LoopFailed")]
    private static partial void LogLoopFailed(ILogger logger, Exception exception);

    [LoggerMessage(2, LogLevel.Error, "A callback threw an exception on an event loop; the loop goes on.", EventName = "CallbackFailed")]
    private static partial void LogCallbackFailed(ILogger logger, Exception exception);
}
