namespace KestrelEventLoopTransport;

/// <summary>Versions of the PROXY protocol.</summary>
[Flags]
public enum ProxyProtocolVersions
{
    /// <summary>No version.</summary>
    None = 0,

    /// <summary>The line of text: HAProxy's <c>send-proxy</c>, nginx's <c>proxy_protocol on</c>.</summary>
    V1 = 1,

    /// <summary>The binary header: HAProxy's <c>send-proxy-v2</c>, and the balancers of cloud providers.</summary>
    V2 = 2,

    /// <summary>Both versions.</summary>
    All = V1 | V2,
}
