namespace KestrelEventLoopTransport.Status;

/// <summary>What the kernel knows about a connection, as far as connections are ordered by it.</summary>
/// <param name="RoundTrip">The smoothed round-trip time in ticks; -1 when it is not known.</param>
/// <param name="Retransmits">Segments that were sent again, since the connection was made; -1 when not known.</param>
internal readonly record struct KernelLook(long RoundTrip, long Retransmits)
{
    internal static KernelLook From(TcpInfo? info)
        => new(info?.RoundTripTime?.Ticks ?? -1, info?.SegmentsRetransmitted ?? -1);
}
