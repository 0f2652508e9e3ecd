using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops;

// A tick costs two context switches and a timer interrupt, some 16 µs of a small virtual machine: 1.6 % of a processor
// at 1,000 ticks per second, which a C program that only sleeps takes too. So loops that make progress put the next
// look off: they look themselves, between two callbacks, for a fraction of that.
//
// The word _watch says who owns the notes about the slots, and the pace: the supervisor (Closed), nobody (Open), or the
// loop that is looking (Taken). The supervisor opens it before it sleeps and closes it after; a loop takes it and gives
// it back. A loop moves the deadline only if all is well: as long as a single callback has not returned since the last
// look, the deadline stays, and the supervisor is there in time.
internal sealed partial class Supervisor
{
    private const int Closed = 0;
    private const int Open = 1;
    private const int Taken = 2;

    private Deadline? _deadline;
    private int _watch;
    private long _nextWatch;
    private bool _putOff;

    /// <summary>Called by a loop between callbacks: two reads, unless it is time to look.</summary>
    internal void OnProgress()
    {
        if (Volatile.Read(ref _watch) == Open
            && Stopwatch.GetTimestamp() >= Volatile.Read(ref _nextWatch)
            && Interlocked.CompareExchange(ref _watch, Taken, Open) == Open)
        {
            PutOff();
            Volatile.Write(ref _watch, Open);
        }
    }

    /// <summary>
    /// Sleeps for one threshold after the last look, the supervisor's own or that of a loop. True when a loop has seen
    /// callbacks return meanwhile.
    /// </summary>
    private bool SleepUntilDeadline()
    {
        if (_deadline is not { } deadline || !deadline.TrySet(_pace.Threshold))
        {
            Sleep(_pace.Tick);
            return false;
        }
        _putOff = false;
        SetNextWatch();
        Volatile.Write(ref _watch, Open);
        deadline.Wait();
        while (Interlocked.CompareExchange(ref _watch, Closed, Open) != Open)
        {
            // A loop is looking: somebody is alive.
            Sleep(_pace.Tick);
        }
        return _putOff;
    }

    private void PutOff()
    {
        var slots = Volatile.Read(ref _slots);
        foreach (var slot in slots)
        {
            var sequence = slot.Sequence;
            if (slot.Overdue > TimeSpan.Zero || (DispatchSlot.IsRunning(sequence) && sequence == slot.LastSeen))
            {
                return;
            }
        }
        foreach (var slot in slots)
        {
            slot.LastSeen = slot.Sequence;
        }
        _ = _pace.Advance();
        _putOff = true;
        SetNextWatch();
        _ = _deadline!.TrySet(_pace.Threshold);
    }

    private void SetNextWatch()
        => Volatile.Write(ref _nextWatch, Stopwatch.GetTimestamp() + ((long)(_pace.Threshold.TotalSeconds * Stopwatch.Frequency) / 2));
}
