using System.Net;

namespace KestrelEventLoopTransport;

/// <summary>
/// A listening socket that is not bound yet, as passed to <see cref="EndpointOptions.ConfigureListenSocket"/>.
/// </summary>
public sealed class ListenSocketContext : SocketContext
{
    internal ListenSocketContext(int fd, EndPoint endPoint)
        : base(fd, endPoint)
    {
    }
}
