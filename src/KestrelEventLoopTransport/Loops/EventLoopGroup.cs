using System.Buffers;
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
    private readonly Supervisor _supervisor = new();
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _references = 1;
    private int _running;
    private uint _next;

    /// <summary>Creates and starts the loops. The caller holds the first reference.</summary>
    internal EventLoopGroup(int count, IMemoryPoolFactory<byte> pools, ILoggerFactory loggerFactory)
    {
        var logger = loggerFactory.CreateLogger("KestrelEventLoopTransport.Loops");
        _loops = new EventLoop[count];
        _running = count;
        for (var i = 0; i < count; i++)
        {
            try
            {
                var pool = pools.Create(new MemoryPoolOptions { Owner = "kestrel" });
                _loops[i] = new EventLoop(i, pool, _supervisor, logger, OnExit);
            }
            catch
            {
                foreach (var loop in _loops.AsSpan(0, i))
                {
                    loop.DisposeUnstarted();
                }
                throw;
            }
        }
        _supervisor.Start();
        foreach (var loop in _loops)
        {
            loop.Start();
        }
    }

    /// <summary>Completes when every loop's thread has ended.</summary>
    internal Task Stopped => _stopped.Task;

    /// <summary>The next loop, round robin.</summary>
    internal EventLoop Next() => _loops[(Interlocked.Increment(ref _next) - 1) % (uint)_loops.Length];

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
        _supervisor.Stop();
        return true;
    }

    private void OnExit(EventLoop loop)
    {
        loop.Pool.Dispose();
        if (Interlocked.Decrement(ref _running) == 0)
        {
            _stopped.SetResult();
        }
    }
}
