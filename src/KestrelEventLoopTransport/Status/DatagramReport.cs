namespace KestrelEventLoopTransport.Status;

/// <summary>A datagram endpoint, as the page shows it.</summary>
/// <param name="Address">The address.</param>
/// <param name="Received">Datagrams received.</param>
/// <param name="Sent">Datagrams that the kernel has taken.</param>
/// <param name="DroppedSends">Datagrams that were not sent because socket and queue were full.</param>
/// <param name="FailedSends">Datagrams that the kernel has refused to send.</param>
/// <param name="KernelDrops">Datagrams that the kernel has dropped because its receive buffer was full.</param>
internal sealed record DatagramReport(
    string Address, long Received, long Sent, long DroppedSends, long FailedSends, long KernelDrops);
