namespace KestrelEventLoopTransport.Native;

/// <summary><c>struct pollfd</c>.</summary>
internal struct pollfd
{
    public int fd;
    public short events;
    public short revents;
}
