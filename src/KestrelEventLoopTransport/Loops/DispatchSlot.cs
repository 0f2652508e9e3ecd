namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// What application code one thread is running: a loop's own thread, or a thread of the pool that runs a loop's
/// callbacks. The supervisor looks at it from outside.
/// </summary>
/// <remarks>
/// Only the slot's thread writes. The sequence number is odd while application code runs, and different for each
/// run: a supervisor that twice sees the same odd number knows that the code is still at it.
/// </remarks>
internal sealed class DispatchSlot
{
    [ThreadStatic]
    private static DispatchSlot? _ofThread;

    private readonly Supervisor _supervisor;
    private IDispatchTarget? _target;
    private int _sequence;

    internal DispatchSlot(Supervisor supervisor) => _supervisor = supervisor;

    /// <summary>The slot of the calling thread, while it is one that runs application code for a loop.</summary>
    internal static DispatchSlot? OfThread
    {
        get => _ofThread;
        set => _ofThread = value;
    }

    /// <summary>Whose code is running.</summary>
    internal IDispatchTarget? Target => Volatile.Read(ref _target);

    internal int Sequence => Volatile.Read(ref _sequence);

    /// <summary>The supervisor's note of the number it saw last.</summary>
    internal int LastSeen { get; set; }

    internal static bool IsRunning(int sequence) => (sequence & 1) != 0;

    /// <summary>Application code begins. Returns what was running around it, for <see cref="Exit"/>.</summary>
    internal IDispatchTarget? Enter(IDispatchTarget target)
    {
        var outer = _target;
        Volatile.Write(ref _target, target);
        if (outer is null)
        {
            Volatile.Write(ref _sequence, _sequence + 1);
            _supervisor.EnsureAwake();
        }
        return outer;
    }

    internal void Exit(IDispatchTarget? outer)
    {
        Volatile.Write(ref _target, outer);
        if (outer is null)
        {
            Volatile.Write(ref _sequence, _sequence + 1);
        }
    }
}
