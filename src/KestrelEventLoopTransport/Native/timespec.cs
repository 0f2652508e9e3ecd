namespace KestrelEventLoopTransport.Native;

/// <summary><c>struct timespec</c> of 64-bit systems.</summary>
internal struct timespec
{
    public long tv_sec;
    public long tv_nsec;

    internal static timespec From(TimeSpan time) => new()
    {
        tv_sec = time.Ticks / TimeSpan.TicksPerSecond,
        tv_nsec = time.Ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick,
    };
}
