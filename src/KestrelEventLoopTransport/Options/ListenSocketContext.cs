using System.Net;

namespace KestrelEventLoopTransport;

/// <summary>A listening socket before it is bound, for <see cref="EndpointOptions.ConfigureListenSocket"/>.</summary>
public sealed class ListenSocketContext : SocketContext
{
    internal ListenSocketContext(int fd, EndPoint endPoint)
        : base(fd, endPoint)
    {
    }
}
