using System.Buffers;
using KestrelEventLoopTransport.Diagnostics;
using KestrelEventLoopTransport.Polling;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// Puts a transport's loops together: the supervisor, the threads and the loops. When the last loop has ended, it ends
/// the others.
/// </summary>
internal sealed class SupervisedLoops
{
    private readonly EventLoopTransportOptions _options;
    private readonly Supervisor _supervisor;
    private int _running;

    private SupervisedLoops(EventLoopTransportOptions options, LoopMetrics metrics, HandOffLog log)
    {
        _options = options;
        _supervisor = new Supervisor(options, metrics, log);
        _running = options.EventLoopCount;
    }

    private StandbyThreads Standbys => _supervisor.Standbys;

    /// <summary>Creates and starts loops. The caller holds the first reference to the group.</summary>
    /// <exception cref="InsufficientMemoryException">The system does not allow as many threads.</exception>
    internal static EventLoopGroup Start(
        EventLoopTransportOptions options,
        IMemoryPoolFactory<byte> pools,
        LoopMetrics metrics,
        HandOffLog log,
        ILoggerFactory loggerFactory)
    {
        var all = new SupervisedLoops(options, metrics, log);
        var logger = SafeLogger.Create(loggerFactory, "KestrelEventLoopTransport.Loops");
        var loops = all.CreateLoops(pools, logger);
        all.StartThreads(loops);
        metrics.Turns.Observe(loops);
        Array.ForEach(loops, ProcessTraffic.Shared.Add);
        metrics.Observe(() => all._supervisor.LongestStuck, all.Standbys.Count);
        LoopLog.LoopsStarted(
            logger, loops.Length, Poller.Name, options.Scheduling, options.Adaptive.HandOffThreshold,
            options.MaxStandbyThreads);
        return new EventLoopGroup(
            loops, all._supervisor.Activities, Task.WhenAll(all._supervisor.Stopped, all.Standbys.Stopped));
    }

    private EventLoop[] CreateLoops(IMemoryPoolFactory<byte> pools, ILogger logger)
    {
        var loops = new EventLoop[_options.EventLoopCount];
        for (var i = 0; i < loops.Length; i++)
        {
            MemoryPool<byte>? pool = null;
            try
            {
                pool = pools.Create(new MemoryPoolOptions { Owner = "kestrel" });
                loops[i] = CreateLoop(i, pool, logger);
            }
            catch
            {
                pool?.Dispose();
                Array.ForEach(loops[..i], static loop => loop.DisposeUnstarted());
                throw;
            }
        }

        return loops;
    }

    private EventLoop CreateLoop(int index, MemoryPool<byte> pool, ILogger logger)
    {
        var activities = new PoolActivities(_supervisor.Activities, Standbys.IdleTime);
        return new EventLoop(index, pool, _options.Scheduling, _supervisor, activities, logger, OnExit);
    }

    private void StartThreads(EventLoop[] loops)
    {
        var threads = new List<LoopThread>(loops.Length);
        SupervisedLoop[] supervised;
        try
        {
            while (threads.Count < loops.Length)
            {
                threads.Add(Standbys.TryTake() ?? throw new InsufficientMemoryException(
                    $"{loops.Length} event loops (EventLoopCount) need as many threads, but the system lets the "
                    + $"process start only {threads.Count}."));
            }

            supervised = [.. loops.Zip(threads, static (loop, thread) => new SupervisedLoop(loop, thread))];
            _supervisor.Start(supervised);
        }
        catch
        {
            Standbys.Stop();
            threads.ForEach(static thread => thread.End());
            Array.ForEach(loops, static loop => loop.DisposeUnstarted());
            throw;
        }

        Array.ForEach(supervised, static loop => loop.Start());
    }

    private void OnExit(EventLoop loop)
    {
        ProcessTraffic.Shared.Remove(loop);
        loop.Pool.Dispose();
        if (Interlocked.Decrement(ref _running) == 0)
        {
            _supervisor.Stop();
            Standbys.Stop();
        }
    }
}
