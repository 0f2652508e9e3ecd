namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>What a listener expects of headers.</summary>
internal sealed class ProxyHeaderRules(ProxyProtocolOptions options)
{
    internal TrustedPeers Trusted { get; } = new(options);

    internal bool PassesUntrusted { get; } = options.UntrustedPeers == UntrustedPeerPolicy.PassAsIs;

    internal ProxyProtocolVersions Versions { get; } = options.Versions;

    internal int MaxLength { get; } = options.MaxHeaderLength;

    /// <summary>Milliseconds.</summary>
    internal long Timeout { get; } = (long)options.HeaderTimeout.TotalMilliseconds;
}
