namespace KestrelEventLoopTransport;

/// <summary>
/// Keep-alive probes of TCP (<c>SO_KEEPALIVE</c>, <c>socket(7)</c>; RFC 9293, 3.8.4). Set on the listening socket and
/// inherited by accepted ones.
/// </summary>
public sealed class TcpKeepAliveOptions
{
    /// <summary>
    /// Whether probes are sent (<c>SO_KEEPALIVE</c>, <c>socket(7)</c>). Default: <see langword="null"/>, which means
    /// that they are if any of the options below is set.
    /// </summary>
    public bool? Enabled { get; set; }

    /// <summary>
    /// How long a connection is idle before the first probe (<c>TCP_KEEPIDLE</c>, <c>tcp(7)</c>). Whole seconds from 1
    /// to 32767. Default: <see langword="null"/>, <c>net.ipv4.tcp_keepalive_time</c>: 2 hours.
    /// </summary>
    public TimeSpan? Time { get; set; }

    /// <summary>
    /// Time between probes (<c>TCP_KEEPINTVL</c>, <c>tcp(7)</c>). Whole seconds from 1 to 32767. Default:
    /// <see langword="null"/>, <c>net.ipv4.tcp_keepalive_intvl</c>: 75 seconds.
    /// </summary>
    public TimeSpan? Interval { get; set; }

    /// <summary>
    /// Number of probes without an answer after which the connection is given up (<c>TCP_KEEPCNT</c>, <c>tcp(7)</c>).
    /// From 1 to 127. Default: <see langword="null"/>, <c>net.ipv4.tcp_keepalive_probes</c>: 9.
    /// </summary>
    public int? RetryCount { get; set; }

    internal TcpKeepAliveOptions Copy() => (TcpKeepAliveOptions)MemberwiseClone();
}
