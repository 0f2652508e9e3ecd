using System.Net;

namespace KestrelEventLoopTransport;

/// <summary>
/// Options of a datagram endpoint. Where <see langword="null"/> is allowed, it keeps the kernel's default.
/// </summary>
/// <remarks>
/// The configuration section <c>Kestrel:EventLoopTransport:Datagrams</c> is applied to all datagram endpoints first.
/// Then come the sections in its <c>Endpoints</c> whose <c>Url</c> is the endpoint's, and then code. The options are
/// read when the endpoint starts; a later change of the configuration has no effect until the application is started
/// again. A value out of range throws an <see cref="Microsoft.Extensions.Options.OptionsValidationException"/>.
/// </remarks>
public sealed class DatagramEndpointOptions
{
    /// <summary>
    /// The longest datagram that is received whole, in bytes. Of a longer one the end is lost
    /// (<see cref="Datagram.IsTruncated"/>). Each socket reserves 32 times this size; pages that no datagram has
    /// reached cost nothing. From 1 to 65,535. Default: 65,535, which is more than UDP can carry.
    /// </summary>
    public int MaxDatagramSize { get; set; } = 65_535;

    /// <summary>
    /// How many bytes may wait to be sent while the socket is full. Each datagram counts as its payload and 128 bytes.
    /// At least 1; one datagram always has room. Default: 1 MiB.
    /// </summary>
    public long MaxSendQueueSize { get; set; } = 1024 * 1024;

    /// <summary>
    /// Size of the kernel's receive buffer in bytes (<c>SO_RCVBUF</c>, <c>socket(7)</c>). The kernel reserves twice
    /// this size and caps it at <c>net.core.rmem_max</c>. At least 1. Default: <see langword="null"/>:
    /// <c>net.core.rmem_default</c>.
    /// </summary>
    public int? ReceiveBufferSize { get; set; }

    /// <summary>
    /// Size of the kernel's send buffer in bytes (<c>SO_SNDBUF</c>, <c>socket(7)</c>). The kernel reserves twice this
    /// size and caps it at <c>net.core.wmem_max</c>. At least 1. Default: <see langword="null"/>:
    /// <c>net.core.wmem_default</c>.
    /// </summary>
    public int? SendBufferSize { get; set; }

    /// <summary>
    /// Whether the kernel may cut long messages into datagrams (<c>UDP_SEGMENT</c>, "GSO", <c>udp(7)</c>, Linux).
    /// Datagrams that a handler sends during a call go to the kernel as one message if they follow each other, have one
    /// size and one destination. That is several times cheaper, and the peer sees no difference. A kernel or a device
    /// that cannot do it gets the same datagrams one by one. Default: <see langword="true"/>.
    /// </summary>
    public bool SegmentationOffload { get; set; } = true;

    /// <summary>
    /// Whether the kernel may join datagrams of one sender that have one size (<c>UDP_GRO</c>, <c>udp(7)</c>, Linux).
    /// The transport splits them again, so a handler sees what was sent. It gets up to 1,024 of them in one call, not
    /// 32. Saves processor time where few peers send much. Each socket reserves 512 KiB then, whatever
    /// <see cref="MaxDatagramSize"/> is. Default: <see langword="false"/>.
    /// </summary>
    public bool ReceiveOffload { get; set; }

    /// <summary>
    /// Whether the endpoint has one socket for each loop, with <c>SO_REUSEPORT</c>, instead of one. The kernel spreads
    /// peers over them by a hash of addresses and ports, and a peer stays with its socket. Their number does not change
    /// while the endpoint runs. If sockets of other processes join or leave the port, peers move.
    /// Default: <see langword="false"/>.
    /// </summary>
    public bool SocketPerLoop { get; set; }

    /// <summary>
    /// Whether other sockets of the same user that set this option too may be bound to the same address and port
    /// (<c>SO_REUSEPORT</c>, <c>socket(7)</c>). The kernel spreads peers over the sockets. Default:
    /// <see langword="false"/>.
    /// </summary>
    public bool ReusePort { get; set; }

    /// <summary>
    /// Whether an IPv6 endpoint also receives IPv4 datagrams (<c>IPV6_V6ONLY</c> off, <c>ipv6(7)</c>). IPv6 only.
    /// Default: <see langword="null"/>: <c>[::]</c> does, every other address does not.
    /// </summary>
    public bool? DualMode { get; set; }

    /// <summary>
    /// Whether datagrams may be sent to a broadcast address (<c>SO_BROADCAST</c>, <c>socket(7)</c>). Default:
    /// <see langword="false"/>.
    /// </summary>
    public bool Broadcast { get; set; }

    /// <summary>The file of a Unix socket.</summary>
    public UnixSocketOptions Unix { get; } = new();

    /// <summary>The multicast groups that are received, and how multicast datagrams are sent.</summary>
    public MulticastOptions Multicast { get; } = new();

    /// <summary>
    /// The only peer: the socket is connected to it (<c>connect(2)</c>). Datagrams of others are not received, and
    /// answers of the peer's system are reported to <see cref="DatagramHandler.OnError"/>. In configuration:
    /// <c>address:port</c>. Default: <see langword="null"/>: none.
    /// </summary>
    public IPEndPoint? RemoteEndPoint { get; set; }

    /// <summary>
    /// Called with each socket after the options above are set and before <c>bind(2)</c>. If it throws an exception,
    /// the application does not start. Default: <see langword="null"/>.
    /// </summary>
    public Action<ListenSocketContext>? ConfigureSocket { get; set; }
}
