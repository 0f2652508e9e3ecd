using System.Net;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport;

/// <summary>
/// An accepted socket before its first byte is read, for <see cref="EndpointOptions.ConfigureAcceptedSocket"/>.
/// </summary>
public sealed class AcceptedSocketContext : SocketContext
{
    internal AcceptedSocketContext(int fd, EndPoint endPoint, ReadOnlySpan<byte> remoteAddress)
        : base(fd, endPoint) => RemoteEndPoint = SocketAddressBytes.ToEndPoint(remoteAddress);

    /// <summary>The peer's address. That of a Unix client is usually empty.</summary>
    public EndPoint RemoteEndPoint { get; }

    internal bool IsRefused { get; private set; }

    /// <summary>Closes the connection when the hook returns; the application never sees it.</summary>
    public void Refuse() => IsRefused = true;
}
