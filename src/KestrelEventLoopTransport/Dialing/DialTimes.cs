namespace KestrelEventLoopTransport.Dialing;

/// <summary>The times of a dial, in milliseconds.</summary>
/// <param name="FallbackDelay">How long an attempt goes on alone; -1 for one attempt after the other.</param>
/// <param name="Timeout">How long the dial may take; <see cref="Never"/> for no limit.</param>
internal readonly record struct DialTimes(long FallbackDelay, long Timeout)
{
    /// <summary>No limit. Also a moment that does not come.</summary>
    internal const long Never = long.MaxValue;

    /// <summary>How long IPv4 addresses wait for the IPv6 addresses of the name (RFC 8305, section 3).</summary>
    internal const long ResolutionDelay = 50;

    /// <summary>The least time that a serial dial gives an address, if it is left (Go: <c>dial.go</c>).</summary>
    internal const long LeastShare = 2000;

    internal bool IsSerial => FallbackDelay < 0;

    internal static DialTimes From(EventLoopClientOptions options) => new(
        options.FallbackDelay < TimeSpan.Zero ? -1 : (long)options.FallbackDelay.TotalMilliseconds,
        options.ConnectTimeout == System.Threading.Timeout.InfiniteTimeSpan
            ? Never
            : (long)Math.Ceiling(options.ConnectTimeout.TotalMilliseconds));
}
