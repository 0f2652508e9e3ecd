namespace KestrelEventLoopTransport.Native;

/// <summary><c>struct timespec</c> of 64-bit systems.</summary>
internal struct TimeSpecification
{
    public long Seconds;
    public long Nanoseconds;
}
