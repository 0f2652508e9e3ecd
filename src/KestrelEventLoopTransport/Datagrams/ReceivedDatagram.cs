namespace KestrelEventLoopTransport;

/// <summary>A copy of a datagram, for code that receives with <see cref="DatagramReceiver"/>.</summary>
public sealed class ReceivedDatagram
{
    internal ReceivedDatagram(in Datagram datagram)
    {
        Payload = datagram.Payload.ToArray();
        Length = datagram.Length;
        IsTruncated = datagram.IsTruncated;
        RemoteAddress = datagram.RemoteAddress;
        LocalAddress = datagram.LocalAddress;
        ReplySource = datagram.ReplySource;
    }

    /// <inheritdoc cref="Datagram.Payload"/>
    public ReadOnlyMemory<byte> Payload { get; }

    /// <inheritdoc cref="Datagram.Length"/>
    public int Length { get; }

    /// <inheritdoc cref="Datagram.IsTruncated"/>
    public bool IsTruncated { get; }

    /// <inheritdoc cref="Datagram.RemoteAddress"/>
    public DatagramAddress RemoteAddress { get; }

    /// <inheritdoc cref="Datagram.LocalAddress"/>
    public DatagramAddress LocalAddress { get; }

    internal DatagramAddress ReplySource { get; }
}
