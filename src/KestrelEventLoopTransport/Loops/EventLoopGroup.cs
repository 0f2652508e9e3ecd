using System.Buffers;
using KestrelEventLoopTransport.Diagnostics;
using KestrelEventLoopTransport.Loops.Adaptive;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// The loops of a transport. Listeners and connections hold references; the loops run while there is one, so that
/// nothing is left when the last of them has gone.
/// </summary>
internal sealed class EventLoopGroup
{
    private readonly EventLoop[] _loops;
    private readonly LoopLoad[] _loads;
    private readonly Supervisor _supervisor;
    private readonly StandbyThreads _standbys;
    private int _references = 1;
    private int _running;
    private uint _next;
    private uint _nextAcceptor;

    /// <summary>Creates and starts the loops. The caller holds the first reference.</summary>
    internal EventLoopGroup(
        EventLoopTransportOptions options,
        IMemoryPoolFactory<byte> pools,
        LoopMetrics metrics,
        HandOffLog handOffLog,
        ILoggerFactory loggerFactory)
    {
        _supervisor = new Supervisor(options.HandOffThreshold, metrics, handOffLog);
        _standbys = new StandbyThreads(_supervisor, options);
        _loops = new EventLoop[options.EventLoopCount];
        _running = _loops.Length;
        CreateLoops(options.Scheduling, pools, SafeLogger.Create(loggerFactory, "KestrelEventLoopTransport.Loops"));
        _loads = Array.ConvertAll(_loops, static loop => loop.Load);
        StartThreads();
        metrics.Observe(_supervisor, _standbys);
    }

    /// <summary>Completes when the threads have ended, but for one that application code still keeps.</summary>
    internal Task Stopped => Task.WhenAll(_supervisor.Stopped, _standbys.Stopped);

    internal ReadOnlySpan<EventLoop> Loops => _loops;

    /// <summary>The connections of each loop, counted.</summary>
    internal ReadOnlySpan<LoopLoad> Loads => _loads;

    /// <summary>A callback that belongs to no loop threw an exception.</summary>
    internal void OnCallbackFailed(Exception exception) => _loops[0].OnCallbackFailed(exception);

    /// <summary>The next loop for a connection, round robin.</summary>
    internal EventLoop Next() => _loops[(Interlocked.Increment(ref _next) - 1) % (uint)_loops.Length];

    /// <summary>The next loop for a listener, round robin.</summary>
    internal EventLoop NextForAcceptor()
        => _loops[(Interlocked.Increment(ref _nextAcceptor) - 1) % (uint)_loops.Length];

    /// <summary>Takes a reference, unless the last one has gone already.</summary>
    internal bool TryAddReference()
    {
        while (true)
        {
            var references = Volatile.Read(ref _references);
            if (references == 0)
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _references, references + 1, references) == references)
            {
                return true;
            }
        }
    }

    /// <summary>Gives a reference back. True when it was the last, and the loops are stopping.</summary>
    internal bool Release()
    {
        if (Interlocked.Decrement(ref _references) != 0)
        {
            return false;
        }

        foreach (var loop in _loops)
        {
            loop.Stop();
        }

        return true;
    }

    private void CreateLoops(ApplicationScheduling scheduling, IMemoryPoolFactory<byte> pools, ILogger logger)
    {
        for (var i = 0; i < _loops.Length; i++)
        {
            MemoryPool<byte>? pool = null;
            try
            {
                pool = pools.Create(new MemoryPoolOptions { Owner = "kestrel" });
                _loops[i] = new EventLoop(i, pool, scheduling, _supervisor, _standbys, logger, OnExit);
            }
            catch
            {
                pool?.Dispose();
                foreach (var loop in _loops.AsSpan(0, i))
                {
                    loop.DisposeUnstarted();
                }

                throw;
            }
        }
    }

    private void StartThreads()
    {
        var threads = new List<LoopThread>(_loops.Length);
        try
        {
            foreach (var _ in _loops)
            {
                threads.Add(_standbys.TryTake() ?? throw new InsufficientMemoryException(
                    $"The system lets the process start only {threads.Count} of the threads that {_loops.Length} event loops (EventLoopCount) need."));
            }

            _supervisor.Start(_loops, _standbys);
        }
        catch
        {
            _standbys.Stop();
            threads.ForEach(static thread => thread.End());
            foreach (var loop in _loops)
            {
                loop.DisposeUnstarted();
            }

            throw;
        }

        for (var i = 0; i < _loops.Length; i++)
        {
            _loops[i].GiveTo(threads[i]);
        }
    }

    private void OnExit(EventLoop loop)
    {
        loop.Pool.Dispose();
        if (Interlocked.Decrement(ref _running) == 0)
        {
            _supervisor.Stop();
            _standbys.Stop();
        }
    }
}
