using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// A clock whose end any thread may move while the supervisor sleeps, without waking it: a <c>timerfd(2)</c>.
/// </summary>
internal sealed unsafe class TimerClock : SupervisorClock
{
    // Keeps a late Set from using a descriptor that is closed, and by then perhaps another file's.
    private readonly Lock _lock = new();
    private readonly int _timer;
    private bool _disposed;

    private TimerClock(int timer) => _timer = timer;

    internal override bool IsMovable => true;

    // A sleep until it is set costs two calls, a look one: two looks for nothing cost no more than one sleep too many.
    internal override int QuietLooks => 2;

    /// <summary>Null where the system has no such timer, no descriptor for one, or does not let it be set.</summary>
    internal static TimerClock? TryCreate()
    {
        var timer = OperatingSystem.IsLinux() ? Libc.timerfd_create(Linux.CLOCK_MONOTONIC, Linux.TFD_CLOEXEC) : -1;
        if (timer < 0)
        {
            return null;
        }

        var clock = new TimerClock(timer);
        if (clock.TrySet(TimeSpan.Zero))
        {
            return clock;
        }

        clock.Dispose();
        return null;
    }

    // A timer that could be set once can be set again.
    internal override void Set(TimeSpan delay) => TrySet(delay);

    internal override void Wait()
    {
        ulong expirations;
        _ = Libc.read(_timer, &expirations, sizeof(ulong));
    }

    public override void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _ = Libc.close(_timer);
        }
    }

    private bool TrySet(TimeSpan delay)
    {
        var value = new itimerspec { it_value = timespec.From(delay) };
        lock (_lock)
        {
            return !_disposed && Libc.timerfd_settime(_timer, 0, &value, null) == 0;
        }
    }
}
