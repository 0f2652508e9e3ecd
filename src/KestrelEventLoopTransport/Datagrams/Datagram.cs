using KestrelEventLoopTransport.Datagrams;

namespace KestrelEventLoopTransport;

/// <summary>
/// A datagram that was received. It is valid until <see cref="DatagramHandler.OnDatagrams"/> returns, because the next
/// datagrams are received into the same memory. Copy what is needed later.
/// </summary>
public readonly struct Datagram
{
    private readonly DatagramBatch _batch;
    private readonly int _index;
    private readonly int _version;

    internal Datagram(DatagramBatch batch, int index, int version)
    {
        _batch = batch;
        _index = index;
        _version = version;
    }

    /// <summary>
    /// The bytes of the datagram. Empty for an empty datagram, which is a message like any other.
    /// </summary>
    /// <exception cref="InvalidOperationException">The datagram is not valid any more.</exception>
    public ReadOnlySpan<byte> Payload => Batch.GetPayload(_index);

    /// <summary>
    /// The length in bytes that the datagram had on the wire. Greater than that of <see cref="Payload"/> if
    /// <see cref="IsTruncated"/>; the same on systems that do not tell it (macOS, FreeBSD).
    /// </summary>
    /// <exception cref="InvalidOperationException">The datagram is not valid any more.</exception>
    public int Length => Batch.GetLength(_index);

    /// <summary>
    /// Whether the datagram was longer than <see cref="DatagramEndpointOptions.MaxDatagramSize"/>, and its end is lost.
    /// </summary>
    /// <exception cref="InvalidOperationException">The datagram is not valid any more.</exception>
    public bool IsTruncated => Batch.IsTruncated(_index);

    /// <summary>The address of the sender.</summary>
    /// <exception cref="InvalidOperationException">The datagram is not valid any more.</exception>
    public DatagramAddress RemoteAddress => Batch.GetRemoteAddress(_index);

    /// <summary>
    /// The address that the datagram was sent to, with the endpoint's port: one of this machine's, or a multicast or
    /// broadcast address. A reply leaves from it if it is one of this machine's.
    /// </summary>
    /// <remarks>Only Linux tells it. Elsewhere it is the address that the endpoint is bound to.</remarks>
    /// <exception cref="InvalidOperationException">The datagram is not valid any more.</exception>
    public DatagramAddress LocalAddress => Batch.GetLocalAddress(_index);

    /// <summary>
    /// The number of the network interface that received the datagram (<c>if_nametoindex(3)</c>); 0 if the system does
    /// not tell it.
    /// </summary>
    /// <exception cref="InvalidOperationException">The datagram is not valid any more.</exception>
    public int InterfaceIndex => Batch.GetInterfaceIndex(_index);

    /// <summary>
    /// The type-of-service byte, or the traffic class of IPv6. Its two low bits are ECN (RFC 3168). 0 if the system
    /// does not tell it.
    /// </summary>
    /// <exception cref="InvalidOperationException">The datagram is not valid any more.</exception>
    public int TrafficClass => Batch.GetTrafficClass(_index);

    /// <summary>
    /// When the loop received the datagram, as <see cref="System.Diagnostics.Stopwatch.GetTimestamp"/>. The same for
    /// all datagrams of one call.
    /// </summary>
    /// <exception cref="InvalidOperationException">The datagram is not valid any more.</exception>
    public long Timestamp => Batch.Timestamp;

    /// <summary>What a reply leaves from; empty if the kernel has to choose.</summary>
    internal DatagramAddress ReplySource => Batch.GetReplySource(_index);

    private DatagramBatch Batch => _batch is { } batch && batch.Version == _version
        ? batch
        : throw new InvalidOperationException(
            "The datagram is valid only until OnDatagrams returns. Copy what is needed later.");
}
