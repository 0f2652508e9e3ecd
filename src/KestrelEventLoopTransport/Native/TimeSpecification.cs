namespace KestrelEventLoopTransport.Native;

/// <summary><c>struct timespec</c> of 64-bit systems.</summary>
internal struct TimeSpecification
{
    public long Seconds;
    public long Nanoseconds;

    internal static TimeSpecification From(TimeSpan time) => new()
    {
        Seconds = time.Ticks / TimeSpan.TicksPerSecond,
        Nanoseconds = time.Ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick,
    };
}
