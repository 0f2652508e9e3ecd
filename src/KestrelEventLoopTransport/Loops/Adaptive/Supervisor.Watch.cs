using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops.Adaptive;

// A tick costs two context switches and a timer interrupt, some 16 µs of a small virtual machine: 1.6 % of a processor
// at 1,000 ticks per second, which a C program that only sleeps takes too. So loops that make progress put the next
// look off: they look themselves, between two callbacks, for a fraction of that.
//
// The word _watch says who owns the notes about the slots, and the pace: the supervisor (Closed), nobody (Open), or a
// loop that is looking (Looking). The supervisor opens it before it waits for the deadline and closes it after; a loop
// takes it and gives it back. A loop moves the deadline only if all is well. If even one callback that was seen at the
// last look still runs, the deadline stays where it is, and the supervisor is there in time.
internal sealed partial class Supervisor
{
    private const int Closed = 0;
    private const int Open = 1;
    private const int Looking = 2;

    private Deadline? _deadline;
    private int _watch;
    private long _nextWatch;

    private bool IsTimeToWatch => Stopwatch.GetTimestamp() >= Volatile.Read(ref _nextWatch);

    /// <summary>Called by a loop between callbacks: a read, and another of the clock, unless a look is due.</summary>
    internal void OnProgress()
    {
        if (Volatile.Read(ref _watch) == Open
            && IsTimeToWatch
            && Interlocked.CompareExchange(ref _watch, Looking, Open) == Open)
        {
            // Another loop may have looked meanwhile.
            if (IsTimeToWatch)
            {
                PutOffOrLeave();
            }

            Volatile.Write(ref _watch, Open);
        }
    }

    /// <summary>Sleeps for one tick after the last look, the supervisor's own or that of a loop.</summary>
    private void SleepUntilDeadline(Deadline deadline)
    {
        deadline.Set(_pace.Tick);
        SetNextWatch();
        Volatile.Write(ref _watch, Open);
        deadline.Wait();
        CloseWatch();
    }

    /// <summary>Sleeps until application code begins, and for one tick more, which loops may put off.</summary>
    private void SleepUntilWoken(Deadline deadline)
    {
        Volatile.Write(ref _watch, Open);
        while (Volatile.Read(ref _asleep) != 0 && !_stopping)
        {
            deadline.Wait();
        }

        CloseWatch();
    }

    private void CloseWatch()
    {
        var wait = default(SpinWait);
        while (Interlocked.CompareExchange(ref _watch, Closed, Open) != Open)
        {
            wait.SpinOnce();
        }
    }

    private void DisposeDeadline()
    {
        lock (_gate)
        {
            _deadline?.Dispose();
            _deadline = null;
        }
    }

    private void PutOffOrLeave()
    {
        if (!IsAllWell())
        {
            // Once is enough: the supervisor comes.
            Volatile.Write(ref _nextWatch, long.MaxValue);
            return;
        }

        foreach (var slot in Volatile.Read(ref _slots))
        {
            slot.TrySee(slot.Sequence);
        }

        _ = _pace.Advance();
        SetNextWatch();
        _deadline!.Set(_pace.Tick);
    }

    private bool IsAllWell()
    {
        foreach (var slot in Volatile.Read(ref _slots))
        {
            var sequence = slot.Sequence;
            if (DispatchSlot.IsRunning(sequence) && sequence == slot.LastSeen)
            {
                return false;
            }
        }

        foreach (var loop in _loops)
        {
            if (loop.HasPooled)
            {
                return false;
            }
        }

        return true;
    }

    private void SetNextWatch()
    {
        var half = (long)(_pace.Tick.TotalSeconds * Stopwatch.Frequency) / 2;
        Volatile.Write(ref _nextWatch, Stopwatch.GetTimestamp() + half);
    }
}
