using System.Net;

namespace KestrelEventLoopTransport;

/// <summary>
/// A socket that is not connected yet, as passed to <see cref="EventLoopClientOptions.ConfigureClientSocket"/>. Its
/// <see cref="SocketContext.EndPoint"/> is the address that it is about to connect to.
/// </summary>
public sealed class ClientSocketContext : SocketContext
{
    internal ClientSocketContext(int fd, EndPoint endPoint)
        : base(fd, endPoint)
    {
    }
}
