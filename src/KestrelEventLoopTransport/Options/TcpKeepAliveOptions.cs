namespace KestrelEventLoopTransport;

/// <summary>
/// Keep-alive probes of TCP (RFC 9293, 3.8.4). The options are set once on the listening socket, and the kernel copies
/// them to accepted sockets.
/// </summary>
/// <seealso cref="TcpSocketOptions.KeepAlive"/>
public sealed class TcpKeepAliveOptions
{
    /// <summary>
    /// Whether the kernel sends probes (<c>SO_KEEPALIVE</c>, <c>socket(7)</c>). Default: <see langword="null"/>: it
    /// does if one of the options below is set.
    /// </summary>
    public bool? Enabled { get; set; }

    /// <summary>
    /// How long a connection is idle before the first probe (<c>TCP_KEEPIDLE</c>, <c>tcp(7)</c>). Whole seconds from 1
    /// to 32767. Default: <see langword="null"/>: <c>net.ipv4.tcp_keepalive_time</c>, 2 hours.
    /// </summary>
    public TimeSpan? Time { get; set; }

    /// <summary>
    /// Time between probes (<c>TCP_KEEPINTVL</c>, <c>tcp(7)</c>). Whole seconds from 1 to 32767. Default:
    /// <see langword="null"/>: <c>net.ipv4.tcp_keepalive_intvl</c>, 75 seconds.
    /// </summary>
    public TimeSpan? Interval { get; set; }

    /// <summary>
    /// Number of unanswered probes after which the kernel gives up the connection (<c>TCP_KEEPCNT</c>, <c>tcp(7)</c>).
    /// From 1 to 127. Default: <see langword="null"/>: <c>net.ipv4.tcp_keepalive_probes</c>, 9.
    /// </summary>
    public int? RetryCount { get; set; }

    internal TcpKeepAliveOptions Copy() => (TcpKeepAliveOptions)MemberwiseClone();
}
