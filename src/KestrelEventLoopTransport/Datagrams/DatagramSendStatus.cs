namespace KestrelEventLoopTransport;

/// <summary>What has become of a datagram that was sent.</summary>
public enum DatagramSendStatus
{
    /// <summary>The kernel has taken it. As always with datagrams, this does not say that it arrives.</summary>
    Sent = 0,

    /// <summary>
    /// It is sent in a moment: when the handler's call returns, or when the socket has room again. If the kernel then
    /// refuses it, <see cref="DatagramHandler.OnError"/> says so.
    /// </summary>
    Queued = 1,

    /// <summary>
    /// It is dropped, because the socket is full and the queue has reached
    /// <see cref="DatagramEndpointOptions.MaxSendQueueSize"/>.
    /// </summary>
    Dropped = 2,

    /// <summary>The kernel has refused it: <see cref="DatagramSendResult.Error"/> says why.</summary>
    Failed = 3,

    /// <summary>The endpoint has stopped.</summary>
    Stopped = 4,
}
