using System.Net;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport;

/// <summary>
/// An accepted socket from which nothing has been read yet, as passed to
/// <see cref="EndpointOptions.ConfigureAcceptedSocket"/>.
/// </summary>
public sealed class AcceptedSocketContext : SocketContext
{
    internal AcceptedSocketContext(int fd, EndPoint endPoint, ReadOnlySpan<byte> remoteAddress)
        : base(fd, endPoint) => RemoteEndPoint = SocketAddressBytes.ToEndPoint(remoteAddress);

    /// <summary>The client's address. The address of a Unix client is usually empty.</summary>
    public EndPoint RemoteEndPoint { get; }

    internal bool IsRefused { get; private set; }

    /// <summary>
    /// Refuses the connection: it is closed when the hook returns, and the application does not see it.
    /// </summary>
    public void Refuse() => IsRefused = true;
}
