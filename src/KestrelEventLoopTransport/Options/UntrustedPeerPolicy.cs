namespace KestrelEventLoopTransport;

/// <summary>
/// What happens to connections of peers that may not send a PROXY header.
/// </summary>
/// <seealso cref="ProxyProtocolOptions.UntrustedPeers"/>
public enum UntrustedPeerPolicy
{
    /// <summary>They are reset immediately after accept.</summary>
    Refuse = 0,

    /// <summary>
    /// They are served without a header, under their own address. Nothing of them is examined: if such a peer sends a
    /// header, the application receives it as data.
    /// </summary>
    PassAsIs = 1,
}
