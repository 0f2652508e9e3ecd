using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// A time until which one thread sleeps, and which others may move meanwhile without waking it: a <c>timerfd(2)</c>.
/// </summary>
internal sealed unsafe class Deadline : IDisposable
{
    private readonly int _timer;

    private Deadline(int timer) => _timer = timer;

    /// <summary>Null where the system has no such timer, or no descriptor for one.</summary>
    internal static Deadline? TryCreate()
    {
        var timer = OperatingSystem.IsLinux() ? Libc.timerfd_create(Linux.CLOCK_MONOTONIC, Linux.TFD_CLOEXEC) : -1;
        return timer < 0 ? null : new Deadline(timer);
    }

    /// <summary>Moves it to so much from now, also if it had been reached.</summary>
    internal bool TrySet(TimeSpan delay)
    {
        var value = new TimerSpecification { Value = TimeSpecification.From(delay) };
        return Libc.timerfd_settime(_timer, 0, &value, null) == 0;
    }

    /// <summary>Sleeps until it is reached, or a signal comes.</summary>
    internal void Wait()
    {
        ulong expirations;
        _ = Libc.read(_timer, &expirations, sizeof(ulong));
    }

    public void Dispose() => _ = Libc.close(_timer);
}
