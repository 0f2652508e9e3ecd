using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// A clock for systems without <c>timerfd(2)</c>. A thread that sets it wakes the supervisor, which then sleeps until
/// the time.
/// </summary>
internal sealed class MonitorClock : SupervisorClock
{
    // A monitor counts milliseconds, so the last ones are slept. Those are not cut short by a new time.
    private static readonly TimeSpan _slept = TimeSpan.FromMilliseconds(20);

    private readonly object _gate = new();
    private long _set;
    private TimeSpan? _delay;

    internal override bool IsMovable => false;

    // To wake the supervisor is a context switch. On a server with some load it stays awake instead of being woken for
    // every request.
    internal override int QuietLooks => 20;

    internal override void Set(TimeSpan delay)
    {
        lock (_gate)
        {
            _set = Stopwatch.GetTimestamp();
            _delay = delay;
            Monitor.Pulse(_gate);
        }
    }

    internal override void Wait()
    {
        while (WaitOnGate() is { } rest)
        {
            Sleep(rest);
        }
    }

    public override void Dispose()
    {
        // It has nothing to free.
    }

    /// <summary>Returns what is to be slept; null when the time has come.</summary>
    private TimeSpan? WaitOnGate()
    {
        lock (_gate)
        {
            while (true)
            {
                if (_delay is not { } delay)
                {
                    Monitor.Wait(_gate);
                    continue;
                }

                var rest = delay - Stopwatch.GetElapsedTime(_set);
                if (rest <= TimeSpan.Zero)
                {
                    _delay = null;
                    return null;
                }

                if (rest < _slept * 2)
                {
                    return rest;
                }

                Monitor.Wait(_gate, rest - _slept);
            }
        }
    }
}
