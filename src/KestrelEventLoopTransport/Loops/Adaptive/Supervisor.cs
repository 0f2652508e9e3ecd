using System.Diagnostics;
using KestrelEventLoopTransport.Diagnostics;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// A thread that looks about every millisecond whether application code returns (<see cref="SupervisorPace"/>), while
/// there is any, and sleeps otherwise. Loops that make progress look in its place (<c>Supervisor.Watch.cs</c>). Code
/// that does not return gets its output sent, and with adaptive scheduling its loop is handed to another thread, as
/// Go's <c>sysmon</c> retakes a processor.
/// </summary>
/// <remarks>
/// Awake or asleep is one word. Going to sleep: the supervisor writes asleep, makes every thread's earlier writes
/// visible, and looks once more. Waking: a thread that enters application code, or leaves a callback to the pool,
/// writes its slot or the queue, then reads the word. Without a fence on that hot path the two could miss each other;
/// the process-wide barrier on the supervisor's side stands in for it. Where there is a deadline, waking only sets it,
/// and the supervisor sleeps again as soon as nothing runs; where there is none it is a context switch, and it waits
/// for a while.
/// </remarks>
internal sealed unsafe partial class Supervisor
{
    // Without a deadline: how long nothing must have run. A server with some load keeps its supervisor awake there
    // rather than waking it for every request.
    private const int IdleTicks = 20;

    // A callback that computes keeps its loop for this many thresholds even when others wait, unless a processor is
    // free. Twice as long for every round of all processors that is computing already: busy threads should not
    // outnumber them much.
    private const int ComputingThresholds = 10;
    private const int MaxDoublings = 6;

    // Two context switches and the timer's interrupt, of a small virtual machine. With deadlines, loops look most
    // times, which is cheaper.
    private static readonly TimeSpan _costOfLook = TimeSpan.FromMicroseconds(OperatingSystem.IsLinux() ? 5 : 16);

    private readonly object _gate = new();
    private readonly SupervisorPace _pace;
    private readonly LoopMetrics _metrics;
    private readonly Thread _thread;
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HandOffLog _log;
    private DispatchSlot[] _slots = [];
    private EventLoop[] _loops = [];
    private StandbyThreads? _standbys;
    private bool _isCalm = true;
    private bool _runs;
    private int _asleep;
    private volatile bool _stopping;

    internal Supervisor(TimeSpan threshold, LoopMetrics metrics, HandOffLog log)
    {
        _pace = new SupervisorPace(threshold, _costOfLook, TimeProvider.System);
        _metrics = metrics;
        _log = log;
        _thread = new Thread(Run) { IsBackground = true, Name = "loop-supervisor" };
    }

    /// <summary>Completes when the thread has ended.</summary>
    internal Task Stopped => _stopped.Task;

    /// <summary>Starts looking.</summary>
    /// <param name="loops">The loops.</param>
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
        Wake(TimeSpan.FromTicks(1));
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
            // Earlier there is nothing to see.
            Wake(_pace.Tick);
            SetNextWatch();
        }
    }

    /// <summary>For how long the code has run that has kept a stuck thread longest.</summary>
    internal TimeSpan LongestStuck
    {
        get
        {
            var longest = TimeSpan.Zero;
            foreach (var slot in Volatile.Read(ref _slots))
            {
                // In this order: the time is written before the slot is stuck.
                var duration = slot.IsStuck ? Stopwatch.GetElapsedTime(slot.StuckSince) : TimeSpan.Zero;
                longest = duration > longest ? duration : longest;
            }

            return longest;
        }
    }

    /// <summary>Called by a stuck thread whose application code has returned.</summary>
    internal void OnUnstuck(DispatchSlot slot)
    {
        var duration = Stopwatch.GetElapsedTime(slot.StuckSince);
        _metrics.OnOverdue(duration);
        Record(duration);
    }

    private void Run()
    {
        // A provider that blocks would end the supervision.
        SafeLogger.DeferOnThisThread();
        _deadline = Deadline.TryCreate();
        var quietTicks = 0;
        while (!_stopping)
        {
            if (_deadline is null ? quietTicks < IdleTicks : _runs)
            {
                SleepUntilLook();
            }
            else if (!TrySleepWhileIdle())
            {
                quietTicks = 0;
                continue;
            }

            quietTicks = Look() ? 0 : quietTicks + 1;
        }

        DisposeDeadline();
        _stopped.SetResult();
    }

    private void SleepUntilLook()
    {
        if (_deadline is not null && _isCalm)
        {
            SleepUntilDeadline(_deadline);
            return;
        }

        var duration = timespec.From(_pace.Tick);
        _ = Libc.nanosleep(&duration, null);
    }

    /// <summary>False when a look has found that something runs after all.</summary>
    private bool TrySleepWhileIdle()
    {
        _deadline?.Clear();
        Volatile.Write(ref _nextWatch, long.MaxValue);
        Volatile.Write(ref _asleep, 1);
        Interlocked.MemoryBarrierProcessWide();
        Look();
        if (_runs)
        {
            Volatile.Write(ref _asleep, 0);
            return false;
        }

        if (_deadline is not null)
        {
            SleepUntilWoken(_deadline);
        }
        else
        {
            SleepUntilWoken();
        }

        return true;
    }

    private void SleepUntilWoken()
    {
        lock (_gate)
        {
            while (Volatile.Read(ref _asleep) != 0 && !_stopping)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    /// <summary>Wakes the supervisor: where there is a deadline, by itself and after the delay.</summary>
    private void Wake(TimeSpan delay)
    {
        lock (_gate)
        {
            _deadline?.Set(delay);
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>
    /// Looks at every slot. False when nothing has run since the last look. All is calm unless a callback seen before
    /// still runs that has not lost its loop, or some wait for the thread pool.
    /// </summary>
    private bool Look()
    {
        var ran = _pace.Advance();
        var active = false;
        var overdue = false;
        _isCalm = true;
        _runs = false;
        foreach (var slot in Volatile.Read(ref _slots))
        {
            var sequence = slot.Sequence;
            var isRunning = DispatchSlot.IsRunning(sequence);
            _runs |= isRunning;
            if (slot.TrySee(sequence))
            {
                OnReturned(slot);
                active = true;
            }
            else if (isRunning)
            {
                _isCalm = false;
                var isNew = slot.Overdue == TimeSpan.Zero;
                slot.Overdue += ran;
                if (slot.Overdue > TimeSpan.Zero && (isNew || _pace.IsThreshold))
                {
                    _metrics.OnOverdue(slot.Overdue);
                    TellTarget(slot);
                }

                overdue |= slot.Overdue > TimeSpan.Zero;
            }
        }

        if (overdue)
        {
            HandOffOverdueLoops();
        }

        foreach (var loop in _loops)
        {
            loop.TakeBackPooled();
            _isCalm &= !loop.HasPooled;
            _runs |= loop.HasPooled;
        }

        return active || _runs;
    }

    private void OnReturned(DispatchSlot slot)
    {
        Record(slot.Overdue);
        slot.Overdue = TimeSpan.Zero;
    }

    private void Record(TimeSpan overdue)
    {
        // It has run for up to a tick longer than was seen.
        if (overdue >= _pace.Threshold / 2)
        {
            _metrics.OnReturned(overdue);
        }
    }

    private void TellTarget(DispatchSlot slot)
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
            if (loop.Owner is not { } owner || owner.Slot.Overdue == TimeSpan.Zero)
            {
                continue;
            }

            if (loop.IsStopping)
            {
                EndStopped(loop, owner.Slot);
            }
            else if (loop.ChangesHands && ShouldHandOff(loop, owner))
            {
                HandOff(loop, owner.Slot);
            }
        }
    }

    /// <summary>
    /// A loop that stops needs no other thread to go on. Its own leaves when the application code returns; nobody waits
    /// for that.
    /// </summary>
    private void EndStopped(EventLoop loop, DispatchSlot slot)
    {
        if (TryTake(slot))
        {
            _standbys!.OnStuck();
            loop.EndWithoutOwner();
        }
    }

    /// <summary>
    /// A blocked thread is replaced at once. One that computes is replaced when others wait for its loop and a
    /// processor is free, or when it has computed for long.
    /// </summary>
    private bool ShouldHandOff(EventLoop loop, LoopThread owner)
    {
        var slot = owner.Slot;
        slot.Computes = !owner.IsBlocked();
        if (!slot.Computes)
        {
            return true;
        }

        if (slot.Overdue < _pace.Threshold / 2 || !loop.HasWaiting)
        {
            return false;
        }

        var rounds = CountComputing() / Environment.ProcessorCount;
        return rounds == 0
            || slot.Overdue >= _pace.Threshold * (ComputingThresholds << Math.Min(rounds - 1, MaxDoublings));
    }

    private static bool TryTake(DispatchSlot slot)
        => slot.TryTake(Stopwatch.GetTimestamp() - (long)(slot.Overdue.TotalSeconds * Stopwatch.Frequency));

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
        var blocked = !slot.Computes;
        if (!TryTake(slot))
        {
            // It has returned just now.
            if (!_standbys.TryPark(thread))
            {
                thread.End();
            }

            return;
        }

        _standbys.OnStuck();
        _metrics.OnHandOff(blocked);
        loop.GiveTo(thread);

        // What it flushed since it was told. From here on nothing is held back (StreamConnection.HoldsOutput).
        TellTarget(slot);
        _log.OnHandOff(target);
        if (blocked)
        {
            _pace.OnBlocked();
        }
    }
}
