namespace KestrelEventLoopTransport;

/// <summary>A multicast group that a datagram endpoint receives.</summary>
/// <seealso cref="MulticastOptions.Groups"/>
public sealed class MulticastGroup
{
    /// <summary>
    /// The address of the group: <c>224.0.0.0</c> to <c>239.255.255.255</c>, or <c>ff00::/8</c>. Required.
    /// </summary>
    public string Address { get; set; } = "";

    /// <summary>
    /// Name or number of the network interface that receives the group (<c>if_nametoindex(3)</c>). Without it the
    /// kernel takes the one that its routes name for the group, which on a machine with several may be another than
    /// meant. Default: <see langword="null"/>.
    /// </summary>
    public string? Interface { get; set; }

    /// <summary>
    /// The only sender whose datagrams are received: an address of the group's family (source-specific multicast,
    /// RFC 4607). A group can be joined once for each of several sources. Default: <see langword="null"/>: any sender.
    /// </summary>
    public string? Source { get; set; }
}
