using System.Net.Sockets;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport;

/// <summary>The result of a send.</summary>
/// <param name="Status">What has become of the datagram.</param>
/// <param name="Error">
/// Why the kernel has refused it, such as <see cref="SocketError.MessageSize"/>; else
/// <see cref="SocketError.Success"/>.
/// </param>
public readonly record struct DatagramSendResult(DatagramSendStatus Status, SocketError Error = SocketError.Success)
{
    /// <summary>Whether the datagram was sent, or will be.</summary>
    public bool IsAccepted => Status is DatagramSendStatus.Sent or DatagramSendStatus.Queued;

    internal static DatagramSendResult Failed(int errno)
        => new(DatagramSendStatus.Failed, Errno.ToSocketError(errno));
}
