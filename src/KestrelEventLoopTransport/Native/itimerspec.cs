namespace KestrelEventLoopTransport.Native;

/// <summary><c>struct itimerspec</c>.</summary>
internal struct itimerspec
{
    public timespec it_interval;
    public timespec it_value;
}
