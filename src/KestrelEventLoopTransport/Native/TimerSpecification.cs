namespace KestrelEventLoopTransport.Native;

/// <summary><c>struct itimerspec</c>.</summary>
internal struct TimerSpecification
{
    public TimeSpecification Interval;
    public TimeSpecification Value;
}
