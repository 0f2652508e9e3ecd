namespace KestrelEventLoopTransport;

/// <summary>
/// Options of TCP sockets. Where <see langword="null"/> is allowed it means that the kernel's default stays. Unless it
/// is said otherwise, an option is set once on the listening socket, and accepted sockets inherit it.
/// </summary>
public sealed class TcpOptions
{
    /// <summary>
    /// Whether small segments are sent at once (<c>TCP_NODELAY</c>, <c>tcp(7)</c>: Nagle's algorithm off). Default:
    /// <see langword="true"/>.
    /// </summary>
    public bool NoDelay { get; set; } = true;

    /// <summary>Probes that find out whether the peer of an idle connection is still there.</summary>
    public TcpKeepAliveOptions KeepAlive { get; private set; } = new();

    /// <summary>
    /// How long sent data may stay unacknowledged before the connection is given up (<c>TCP_USER_TIMEOUT</c>,
    /// <c>tcp(7)</c>, RFC 5482). Whole milliseconds, from 1 millisecond to 2147483647 milliseconds. Default:
    /// <see langword="null"/>, about 15 minutes (<c>net.ipv4.tcp_retries2</c>).
    /// </summary>
    public TimeSpan? UserTimeout { get; set; }

    /// <summary>
    /// Whether a connection starts by acknowledging at once (<c>TCP_QUICKACK</c>, <c>tcp(7)</c>) or with delay. The
    /// kernel changes the mode again as the conversation goes on. Not inherited by accepted sockets: one system call
    /// more for each connection. Default: <see langword="null"/>, the kernel decides.
    /// </summary>
    public bool? QuickAck { get; set; }

    /// <summary>
    /// Lets clients that came before send data with the SYN (TCP Fast Open, <c>TCP_FASTOPEN</c>, <c>tcp(7)</c>,
    /// RFC 7413), and bounds how many such connections may wait for the end of their handshake; the kernel caps it at
    /// <c>net.core.somaxconn</c>. At least 1. It has no effect unless bit 2 of <c>net.ipv4.tcp_fastopen</c> is set: the
    /// log warns. A request may be delivered twice, so it must be safe to repeat. Default: <see langword="null"/>, off.
    /// </summary>
    public int? FastOpenQueue { get; set; }

    /// <summary>
    /// Gives a connection to the server only when data has arrived, for about this long
    /// (<c>TCP_DEFER_ACCEPT</c>, <c>tcp(7)</c>: rounded up to a number of retransmissions). Whole seconds, from 1
    /// second to 1 hour. Default: <see langword="null"/>, at once.
    /// </summary>
    public TimeSpan? DeferAccept { get; set; }

    /// <summary>
    /// Bytes in the send buffer that are not sent yet at which the kernel takes no more, and reports the socket as
    /// writable again when half are left (<c>TCP_NOTSENT_LOWAT</c>, <c>tcp(7)</c>). Small values keep what is sent next
    /// under the application's control, for a price in system calls. At least 1. Default: <see langword="null"/>,
    /// <c>net.ipv4.tcp_notsent_lowat</c>.
    /// </summary>
    public int? NotSentLowWatermark { get; set; }

    /// <summary>
    /// Name of the congestion control algorithm (<c>TCP_CONGESTION</c>, <c>tcp(7)</c>), one of
    /// <c>net.ipv4.tcp_available_congestion_control</c>. From 1 to 15 bytes. Default: <see langword="null"/>,
    /// <c>net.ipv4.tcp_congestion_control</c>.
    /// </summary>
    public string? CongestionControl { get; set; }

    /// <summary>
    /// Upper bound of the size of segments in bytes (<c>TCP_MAXSEG</c>, <c>tcp(7)</c>), options of TCP included. From
    /// 88 to 32767. Default: <see langword="null"/>, what the route allows.
    /// </summary>
    public int? MaximumSegmentSize { get; set; }

    internal TcpOptions Copy()
    {
        var copy = (TcpOptions)MemberwiseClone();
        copy.KeepAlive = KeepAlive.Copy();
        return copy;
    }
}
