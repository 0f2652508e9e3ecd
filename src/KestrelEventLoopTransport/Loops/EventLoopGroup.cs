using KestrelEventLoopTransport.Diagnostics;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// The loops of a transport. Listeners and connections hold references. The loops run while there is one, so nothing is
/// left when the last of them has gone.
/// </summary>
internal sealed class EventLoopGroup
{
    private readonly EventLoop[] _loops;
    private readonly LoopLoad[] _loads;
    private readonly ThreadActivities _activities;
    private int _references = 1;
    private uint _next;
    private uint _nextAcceptor;

    /// <summary>The caller holds the first reference.</summary>
    /// <param name="loops">Loops that run.</param>
    /// <param name="activities">What application code their threads run.</param>
    /// <param name="stopped">Completes when their threads have ended.</param>
    internal EventLoopGroup(EventLoop[] loops, ThreadActivities activities, Task stopped)
    {
        _loops = loops;
        _activities = activities;
        _loads = Array.ConvertAll(loops, static loop => loop.Load);
        Stopped = stopped;
    }

    /// <summary>Completes when the threads have ended, but for those that application code still keeps.</summary>
    internal Task Stopped { get; }

    internal ReadOnlySpan<EventLoop> Loops => _loops;

    /// <summary>The number of connections of each loop.</summary>
    internal ReadOnlySpan<LoopLoad> Loads => _loads;

    /// <summary>What application code the loops' threads run, and those of the pool that run their callbacks.</summary>
    internal ReadOnlySpan<ThreadActivity> Activities => _activities.All;

    /// <summary>Logs what a callback threw that belongs to no loop.</summary>
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
}
