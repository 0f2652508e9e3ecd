namespace KestrelEventLoopTransport.Datagrams;

/// <summary>What an endpoint has counted: see the properties of <see cref="DatagramEndpoint"/>.</summary>
internal readonly record struct DatagramCounts(
    long Received, long Sent, long DroppedSends, long FailedSends, long KernelDrops)
{
    public static DatagramCounts operator +(DatagramCounts left, DatagramCounts right)
        => new(
            left.Received + right.Received,
            left.Sent + right.Sent,
            left.DroppedSends + right.DroppedSends,
            left.FailedSends + right.FailedSends,
            left.KernelDrops + right.KernelDrops);
}
