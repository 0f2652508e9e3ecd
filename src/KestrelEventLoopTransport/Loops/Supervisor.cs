using System.Diagnostics;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// A thread that looks about every millisecond whether application code returns, while there is any, and sleeps
/// otherwise. Code that does not return gets its output sent, and with adaptive scheduling its loop is handed to
/// another thread, as Go's <c>sysmon</c> retakes a processor.
/// </summary>
/// <remarks>
/// Awake or asleep is one word. Going to sleep: the supervisor writes asleep, makes every thread's earlier writes
/// visible, and looks at the slots once more. Waking: a thread that enters application code writes its slot, then
/// reads the word. Without a fence on that hot path the two could miss each other; the process-wide barrier on the
/// supervisor's side stands in for it.
/// </remarks>
internal sealed unsafe class Supervisor
{
    // How long nothing must have run. A server with some load keeps its supervisor awake, at a few microseconds of
    // CPU time per tick, rather than waking it for every request.
    private const int IdleTicks = 20;

    // A callback that computes keeps its loop this long even when others wait, unless a processor is free. Twice as
    // long for every round of all processors that is computing already: busy threads should not outnumber them much.
    private const int ComputingTicks = 10;
    private const int MaxDoublings = 6;

    private readonly object _gate = new();
    private readonly TimeSpan _tick;
    private readonly Thread _thread;
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HandOffLog _log;
    private DispatchSlot[] _slots = [];
    private EventLoop[] _loops = [];
    private StandbyThreads? _standbys;
    private TimeSpan _pauses;
    private long _lastLook;
    private int _asleep;
    private volatile bool _stopping;

    internal Supervisor(TimeSpan tick, HandOffLog log)
    {
        _tick = tick;
        _log = log;
        _thread = new Thread(Run) { IsBackground = true, Name = "loop-supervisor" };
    }

    /// <summary>Completes when the thread has ended.</summary>
    internal Task Stopped => _stopped.Task;

    /// <summary>Starts looking.</summary>
    /// <param name="loops">The loops that may be handed to another thread.</param>
    /// <param name="standbys">The threads to hand them to.</param>
    internal void Start(EventLoop[] loops, StandbyThreads standbys)
    {
        _loops = loops;
        _standbys = standbys;
        _thread.UnsafeStart();
    }

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

    internal void RemoveSlot(DispatchSlot slot)
    {
        lock (_gate)
        {
            Volatile.Write(ref _slots, Array.FindAll(_slots, other => other != slot));
        }
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
        var duration = new TimeSpecification { Nanoseconds = (long)_tick.TotalNanoseconds % 1_000_000_000, Seconds = (long)_tick.TotalSeconds };
        var idle = 0;
        while (!_stopping)
        {
            if (idle >= IdleTicks)
            {
                SleepWhileIdle();
                idle = 0;
            }
            _ = Libc.nanosleep(&duration, null);
            idle = Look() ? 0 : idle + 1;
        }
        _stopped.SetResult();
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

    /// <summary>Looks at every slot. False when nothing has run since the last look.</summary>
    private bool Look()
    {
        // A garbage collection stops application code, and this thread too: that time has passed for nobody.
        var now = Stopwatch.GetTimestamp();
        var pauses = GC.GetTotalPauseDuration();
        var ran = Stopwatch.GetElapsedTime(_lastLook, now) - (pauses - _pauses);
        var ticks = ran >= _tick / 2 ? 1 : 0;
        _lastLook = now;
        _pauses = pauses;

        var active = false;
        var overdue = false;
        foreach (var slot in Volatile.Read(ref _slots))
        {
            var sequence = slot.Sequence;
            if (slot.WasJustTaken(sequence))
            {
                slot.LastSeen = sequence;
            }
            if (sequence != slot.LastSeen)
            {
                slot.LastSeen = sequence;
                slot.OverdueTicks = 0;
                slot.Computes = false;
                active = true;
            }
            else if (DispatchSlot.IsRunning(sequence))
            {
                active = true;
                slot.OverdueTicks += ticks;
                overdue |= slot.OverdueTicks > 0;
                TellOverdue(slot);
            }
        }
        if (overdue)
        {
            HandOffOverdueLoops();
        }
        return active;
    }

    private void TellOverdue(DispatchSlot slot)
    {
        try
        {
            slot.Target?.OnOverdue();
        }
        catch (Exception exception)
        {
            // A logger that throws must not end the supervision.
            _log.OnFailure(exception);
        }
    }

    private void HandOffOverdueLoops()
    {
        foreach (var loop in _loops)
        {
            if (!loop.IsStopping && loop.Owner is { Slot.OverdueTicks: > 0 } owner && ShouldHandOff(loop, owner))
            {
                HandOff(loop, owner.Slot);
            }
        }
    }

    /// <summary>
    /// A blocked thread is replaced at once. One that computes is replaced when others wait for its loop and a
    /// processor is free, or when it has computed for long.
    /// </summary>
    private bool ShouldHandOff(EventLoop loop, LoopThread owner)
    {
        owner.Slot.Computes = !owner.IsBlocked();
        if (!owner.Slot.Computes)
        {
            return true;
        }
        var rounds = CountComputing() / Environment.ProcessorCount;
        return loop.HasWaiting
            && (rounds == 0 || owner.Slot.OverdueTicks >= ComputingTicks << Math.Min(rounds - 1, MaxDoublings));
    }

    private int CountComputing()
    {
        var count = 0;
        foreach (var slot in Volatile.Read(ref _slots))
        {
            count += slot.Computes ? 1 : 0;
        }
        return count;
    }

    private void HandOff(EventLoop loop, DispatchSlot slot)
    {
        var thread = _standbys!.TryTake();
        if (thread is null)
        {
            return;
        }
        var target = slot.Target;
        if (!slot.TryTake(slot.LastSeen))
        {
            // It has returned just now.
            if (!_standbys.TryPark(thread))
            {
                thread.End();
            }
            return;
        }
        _standbys.OnStuck();
        loop.GiveTo(thread);
        _log.OnHandOff(target);
    }
}
