namespace KestrelEventLoopTransport;

/// <summary>What a client has shown to the proxy.</summary>
[Flags]
public enum ProxyProtocolSslClient : byte
{
    /// <summary>Nothing: no TLS.</summary>
    None = 0,

    /// <summary>It has connected over TLS.</summary>
    Tls = 1,

    /// <summary>It has presented a certificate on this connection.</summary>
    CertificateOnConnection = 2,

    /// <summary>It has presented a certificate at least once in this TLS session.</summary>
    CertificateInSession = 4,
}
