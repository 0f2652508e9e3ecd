namespace KestrelEventLoopTransport;

/// <summary>
/// Multicast options of a datagram endpoint. Where <see langword="null"/> is allowed, it keeps the kernel's default.
/// </summary>
/// <seealso cref="DatagramEndpointOptions.Multicast"/>
public sealed class MulticastOptions
{
    /// <summary>
    /// The groups that the endpoint joins when it is bound. <see cref="DatagramEndpoint.JoinGroup"/> and
    /// <see cref="DatagramEndpoint.LeaveGroup"/> change them later. The endpoint must be bound to all addresses
    /// (<c>udp://*:5353</c>) or, on Linux, to the group's own. Default: none.
    /// </summary>
    /// <remarks>
    /// Groups that other sockets of the machine have joined are not received (<c>IP_MULTICAST_ALL</c> is off, Linux).
    /// With <see cref="DatagramEndpointOptions.SocketPerLoop"/> the first socket joins, so that each datagram is
    /// received once. Endpoints or processes that share a port for different groups set <c>SO_REUSEADDR</c> in
    /// <see cref="DatagramEndpointOptions.ConfigureSocket"/>. With <see cref="DatagramEndpointOptions.ReusePort"/>
    /// Linux may pass the datagram of an IPv4 group to a socket that has not joined it (seen on 6.18).
    /// </remarks>
    public IList<MulticastGroup> Groups { get; } = [];

    /// <summary>
    /// Name or number of the network interface that multicast datagrams leave by (<c>IP_MULTICAST_IF</c>,
    /// <c>IPV6_MULTICAST_IF</c>). Default: <see langword="null"/>: what the routes say.
    /// </summary>
    public string? Interface { get; set; }

    /// <summary>
    /// How many networks a multicast datagram reaches at most, one behind the other (<c>IP_MULTICAST_TTL</c>,
    /// <c>IPV6_MULTICAST_HOPS</c>). From 0, this machine only, to 255. Default: <see langword="null"/>: 1, the network
    /// that it is sent on.
    /// </summary>
    public int? TimeToLive { get; set; }

    /// <summary>
    /// Whether multicast datagrams that this endpoint sends also reach sockets of this machine that have joined the
    /// group (<c>IP_MULTICAST_LOOP</c>, <c>IPV6_MULTICAST_LOOP</c>). Default: <see langword="null"/>: they do.
    /// </summary>
    public bool? Loopback { get; set; }
}
