namespace KestrelEventLoopTransport;

/// <summary>
/// The types of additional fields of a PROXY header (version 2). The specification leaves 0xE0 to 0xEF to applications;
/// the names of cloud providers are theirs.
/// </summary>
public enum ProxyProtocolTlvType : byte
{
    /// <summary>The protocol that the client negotiated with the proxy (RFC 7301).</summary>
    Alpn = 0x01,

    /// <summary>The host name that the client asked for: SNI. UTF-8.</summary>
    Authority = 0x02,

    /// <summary>
    /// The checksum of the header (RFC 4960, appendix B): 4 bytes. It is computed when a header is written, and
    /// verified when one is received.
    /// </summary>
    Crc32C = 0x03,

    /// <summary>Padding. Received fields of this type are skipped.</summary>
    NoOp = 0x04,

    /// <summary>The proxy's id of the connection: up to 128 bytes.</summary>
    UniqueId = 0x05,

    /// <summary>The client's TLS: <see cref="ProxyProtocolSsl"/>.</summary>
    Ssl = 0x20,

    /// <summary>The network namespace.</summary>
    NetworkNamespace = 0x30,

    /// <summary>Google Cloud: the id of the Private Service Connect connection.</summary>
    Gcp = 0xE0,

    /// <summary>Amazon Web Services: the first byte says what follows; 1 is the id of the VPC endpoint.</summary>
    Aws = 0xEA,

    /// <summary>Azure: the first byte says what follows; 1 is the id of the private link.</summary>
    Azure = 0xEE,
}
