namespace KestrelEventLoopTransport.Diagnostics;

/// <summary>What connections and datagram endpoints have carried.</summary>
/// <param name="ReceivedBytes">Bytes received by connections.</param>
/// <param name="SentBytes">Bytes sent by connections.</param>
/// <param name="ReceivedDatagrams">Datagrams received.</param>
/// <param name="SentDatagrams">Datagrams that the kernel has taken.</param>
internal readonly record struct Traffic(
    long ReceivedBytes, long SentBytes, long ReceivedDatagrams = 0, long SentDatagrams = 0)
{
    public static Traffic operator +(Traffic left, Traffic right) => new(
        left.ReceivedBytes + right.ReceivedBytes,
        left.SentBytes + right.SentBytes,
        left.ReceivedDatagrams + right.ReceivedDatagrams,
        left.SentDatagrams + right.SentDatagrams);

    /// <summary>For each count the higher one.</summary>
    internal static Traffic Max(Traffic left, Traffic right) => new(
        Math.Max(left.ReceivedBytes, right.ReceivedBytes),
        Math.Max(left.SentBytes, right.SentBytes),
        Math.Max(left.ReceivedDatagrams, right.ReceivedDatagrams),
        Math.Max(left.SentDatagrams, right.SentDatagrams));
}
