namespace KestrelEventLoopTransport;

/// <summary>On whose behalf a proxy has made a connection.</summary>
public enum ProxyProtocolCommand
{
    /// <summary>
    /// The proxy's own: a health check. The addresses of the connection are those of the proxy and the server.
    /// </summary>
    Local = 0,

    /// <summary>A client's.</summary>
    Proxy = 1,
}
