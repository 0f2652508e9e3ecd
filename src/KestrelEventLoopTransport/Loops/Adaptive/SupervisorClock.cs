using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// How the supervisor sleeps. Its thread calls <see cref="Sleep"/>, <see cref="Wait"/> and <see cref="Dispose"/>; any
/// thread may call <see cref="Set"/> at any time, also afterwards.
/// </summary>
internal abstract unsafe class SupervisorClock : IDisposable
{
    /// <summary>
    /// Whether <see cref="Set"/> moves the end of a wait without waking the supervisor. Then loops may look in its
    /// place and let it sleep on.
    /// </summary>
    internal abstract bool IsMovable { get; }

    /// <summary>
    /// After how many looks since which nothing has run it is cheaper to sleep until the clock is set than to look
    /// again.
    /// </summary>
    internal abstract int QuietLooks { get; }

    /// <summary>The best that this system has.</summary>
    internal static SupervisorClock Create() => TimerClock.TryCreate() ?? (SupervisorClock)new MonitorClock();

    /// <summary>Sleeps for a time, whatever is set.</summary>
    internal static void Sleep(TimeSpan duration)
    {
        var time = timespec.From(duration);
        _ = Libc.nanosleep(&time, null);
    }

    /// <summary>Lets <see cref="Wait"/> return after a delay, which replaces the one set before.</summary>
    internal abstract void Set(TimeSpan delay);

    /// <summary>
    /// Sleeps until the time that is set; may return earlier. Without one it sleeps until one is set.
    /// </summary>
    internal abstract void Wait();

    public abstract void Dispose();
}
