namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// A thread that looks every millisecond whether application code returns, while there is any, and sleeps otherwise.
/// </summary>
/// <remarks>
/// Awake or asleep is one word. Going to sleep: the supervisor writes asleep, makes every thread's earlier writes
/// visible, and looks at the slots once more. Waking: a thread that enters application code writes its slot, then
/// reads the word. Without a fence on that hot path the two could miss each other; the process-wide barrier on the
/// supervisor's side stands in for it.
/// </remarks>
internal sealed class Supervisor
{
    private const int TickMilliseconds = 1;

    // How long nothing must have run. A server with some load keeps its supervisor awake, at about 3 µs of CPU time
    // per tick, rather than waking it for every request.
    private const int IdleTicks = 20;

    private readonly object _gate = new();
    private readonly Thread _thread;
    private DispatchSlot[] _slots = [];
    private int _asleep;
    private volatile bool _stopping;

    internal Supervisor()
        => _thread = new Thread(Run) { IsBackground = true, Name = "loop-supervisor" };

    internal void Start() => _thread.UnsafeStart();

    internal void Stop()
    {
        _stopping = true;
        Wake();
    }

    internal DispatchSlot AddSlot()
    {
        var slot = new DispatchSlot(this);
        lock (_gate)
        {
            Volatile.Write(ref _slots, [.. _slots, slot]);
        }
        return slot;
    }

    /// <summary>Called when application code begins: one read, unless the supervisor sleeps.</summary>
    internal void EnsureAwake()
    {
        if (Volatile.Read(ref _asleep) != 0 && Interlocked.Exchange(ref _asleep, 0) != 0)
        {
            Wake();
        }
    }

    private void Wake()
    {
        lock (_gate)
        {
            Monitor.Pulse(_gate);
        }
    }

    private void Run()
    {
        var idle = 0;
        while (!_stopping)
        {
            if (idle >= IdleTicks)
            {
                SleepWhileIdle();
                idle = 0;
            }
            Thread.Sleep(TickMilliseconds);
            idle = Look() ? 0 : idle + 1;
        }
    }

    /// <summary>Looks at every slot. False when nothing has run since the last look.</summary>
    private bool Look()
    {
        var active = false;
        foreach (var slot in Volatile.Read(ref _slots))
        {
            var sequence = slot.Sequence;
            if (sequence != slot.LastSeen)
            {
                slot.LastSeen = sequence;
                active = true;
            }
            else if (DispatchSlot.IsRunning(sequence))
            {
                slot.Target?.OnOverdue();
                active = true;
            }
        }
        return active;
    }

    private void SleepWhileIdle()
    {
        Volatile.Write(ref _asleep, 1);
        Interlocked.MemoryBarrierProcessWide();
        if (Look())
        {
            Volatile.Write(ref _asleep, 0);
        }
        lock (_gate)
        {
            while (Volatile.Read(ref _asleep) != 0 && !_stopping)
            {
                Monitor.Wait(_gate);
            }
        }
    }
}
