namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>What a listener expects of headers, and how often it did not get it.</summary>
internal sealed class ProxyHeaderRules(ProxyProtocolOptions options)
{
    private static readonly int _reasons = Enum.GetValues<ProxyProtocolFailure>().Length;

    private readonly long[] _failures = new long[_reasons];

    internal TrustedPeers Trusted { get; } = new(options);

    internal bool PassesUntrusted { get; } = options.UntrustedPeers == UntrustedPeerPolicy.PassAsIs;

    internal ProxyProtocolVersions Versions { get; } = options.Versions;

    internal int MaxLength { get; } = options.MaxHeaderLength;

    /// <summary>Milliseconds.</summary>
    internal long Timeout { get; } = (long)options.HeaderTimeout.TotalMilliseconds;

    internal void Count(ProxyProtocolFailure reason) => Interlocked.Increment(ref _failures[(int)reason]);

    internal long GetCount(ProxyProtocolFailure reason) => Volatile.Read(ref _failures[(int)reason]);
}
