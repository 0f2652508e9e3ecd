namespace KestrelEventLoopTransport;

/// <summary>
/// Options of TCP sockets. <see langword="null"/> keeps the kernel's default. Unless an option says otherwise, it is
/// set once on the listening socket, and the kernel copies it to accepted sockets.
/// </summary>
/// <seealso cref="EndpointOptions.Tcp"/>
public sealed class TcpSocketOptions
{
    /// <summary>
    /// Whether small segments are sent immediately (<c>TCP_NODELAY</c>, <c>tcp(7)</c>), which turns Nagle's algorithm
    /// off. Default: <see langword="true"/>.
    /// </summary>
    public bool NoDelay { get; set; } = true;

    /// <summary>Keep-alive probes, which check whether the peer of an idle connection still answers.</summary>
    public TcpKeepAliveOptions KeepAlive { get; private set; } = new();

    /// <summary>
    /// How long sent data may stay unacknowledged before the kernel gives up the connection (<c>TCP_USER_TIMEOUT</c>,
    /// <c>tcp(7)</c>, RFC 5482). Whole milliseconds from 1 to 2147483647. Default: <see langword="null"/>: about 15
    /// minutes (<c>net.ipv4.tcp_retries2</c>).
    /// </summary>
    public TimeSpan? UserTimeout { get; set; }

    /// <summary>
    /// Whether the kernel acknowledges the first segments of a connection immediately (<see langword="true"/>) or with
    /// delay (<see langword="false"/>; <c>TCP_QUICKACK</c>, <c>tcp(7)</c>). The kernel may change the mode later. It
    /// does not copy the option to accepted sockets: it costs one more system call per connection. Default:
    /// <see langword="null"/>: the kernel decides.
    /// </summary>
    public bool? QuickAck { get; set; }

    /// <summary>
    /// Turns TCP Fast Open on, which lets returning clients send data with the SYN (<c>TCP_FASTOPEN</c>, <c>tcp(7)</c>,
    /// RFC 7413). The value is the maximum number of such connections whose handshake is not complete; the kernel caps
    /// it at <c>net.core.somaxconn</c>. At least 1. Default: <see langword="null"/>: off.
    /// </summary>
    /// <remarks>
    /// It has no effect unless bit 2 of <c>net.ipv4.tcp_fastopen</c> is set; if it is not, a warning is logged. The
    /// network may deliver the data of a SYN twice, so requests must be safe to repeat.
    /// </remarks>
    public int? FastOpenQueue { get; set; }

    /// <summary>
    /// How long the kernel waits for the first data of a connection before the server can accept it
    /// (<c>TCP_DEFER_ACCEPT</c>, <c>tcp(7)</c>). The kernel rounds the time up to a number of retransmissions. Whole
    /// seconds from 1 second to 1 hour. Default: <see langword="null"/>: it does not wait.
    /// </summary>
    public TimeSpan? DeferAccept { get; set; }

    /// <summary>
    /// The number of unsent bytes in the send buffer at which the kernel takes no more data
    /// (<c>TCP_NOTSENT_LOWAT</c>, <c>tcp(7)</c>). The socket becomes writable again when half of them are left. With a
    /// small value the application decides later what is sent next, at the cost of more system calls. At least 1.
    /// Default: <see langword="null"/>: <c>net.ipv4.tcp_notsent_lowat</c>.
    /// </summary>
    public int? NotSentLowWatermark { get; set; }

    /// <summary>
    /// Name of the congestion control algorithm (<c>TCP_CONGESTION</c>, <c>tcp(7)</c>): one of
    /// <c>net.ipv4.tcp_available_congestion_control</c>. From 1 to 15 bytes. Default: <see langword="null"/>:
    /// <c>net.ipv4.tcp_congestion_control</c>.
    /// </summary>
    public string? CongestionControl { get; set; }

    /// <summary>
    /// The maximum size of a segment in bytes, including TCP options (<c>TCP_MAXSEG</c>, <c>tcp(7)</c>). From 88 to
    /// 32767. Default: <see langword="null"/>: what the route allows.
    /// </summary>
    public int? MaximumSegmentSize { get; set; }

    internal TcpSocketOptions Copy()
    {
        var copy = (TcpSocketOptions)MemberwiseClone();
        copy.KeepAlive = KeepAlive.Copy();
        return copy;
    }
}
