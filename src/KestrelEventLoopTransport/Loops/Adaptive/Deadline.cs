using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// A time until which one thread sleeps, and which others may move meanwhile without waking it: a <c>timerfd(2)</c>.
/// </summary>
internal sealed unsafe class Deadline : IDisposable
{
    private readonly int _timer;

    private Deadline(int timer) => _timer = timer;

    /// <summary>Null where the system has no such timer, no descriptor for one, or does not let it be set.</summary>
    internal static Deadline? TryCreate()
    {
        var timer = OperatingSystem.IsLinux() ? Libc.timerfd_create(Linux.CLOCK_MONOTONIC, Linux.TFD_CLOEXEC) : -1;
        if (timer < 0)
        {
            return null;
        }

        var deadline = new Deadline(timer);
        if (deadline.TrySet(TimeSpan.Zero))
        {
            return deadline;
        }

        deadline.Dispose();
        return null;
    }

    /// <summary>Moves it to so much from now, also if it had been reached.</summary>
    internal void Set(TimeSpan delay) => TrySet(delay);

    /// <summary>There is none: who waits sleeps until one is set.</summary>
    internal void Clear() => TrySet(TimeSpan.Zero);

    /// <summary>Sleeps until it is reached, or a signal comes.</summary>
    internal void Wait()
    {
        ulong expirations;
        _ = Libc.read(_timer, &expirations, sizeof(ulong));
    }

    public void Dispose() => _ = Libc.close(_timer);

    // Once it has succeeded it has no reason to fail.
    private bool TrySet(TimeSpan delay)
    {
        var value = new itimerspec { it_value = timespec.From(delay) };
        return Libc.timerfd_settime(_timer, 0, &value, null) == 0;
    }
}
