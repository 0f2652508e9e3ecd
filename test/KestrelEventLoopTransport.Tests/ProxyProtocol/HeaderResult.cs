using KestrelEventLoopTransport.ProxyProtocol;

namespace KestrelEventLoopTransport.Tests.ProxyProtocol;

/// <summary>What the parser makes of the first bytes of a connection, without a socket.</summary>
/// <param name="Header">The header; null when there is none, or not yet.</param>
/// <param name="Problem">What is wrong; null when the header is there, or more bytes are needed.</param>
/// <param name="Length">The length of the header; 0 when it is not known.</param>
internal sealed record HeaderResult(ProxyProtocolHeader? Header, ProxyHeaderProblem? Problem, int Length)
{
    public bool NeedsMore => Header is null && Problem is null;

    public static HeaderResult Of(
        ReadOnlySpan<byte> bytes, ProxyProtocolVersions versions = ProxyProtocolVersions.All, int maxLength = 65551)
    {
        var length = ProxyHeaderScan.Measure(bytes, versions, maxLength, out var problem);
        if (length == 0 || length > bytes.Length)
        {
            return new HeaderResult(null, problem, length);
        }

        var header = ProxyHeaderParser.Parse(bytes[..length], out problem);
        return new HeaderResult(header, problem, length);
    }

    public ProxyProtocolHeader AssertHeader()
    {
        Assert.Null(Problem);
        Assert.NotNull(Header);
        return Header;
    }

    public void AssertProblem(ProxyProtocolFailure reason)
    {
        Assert.Null(Header);
        Assert.Equal(reason, Problem?.Reason);
    }
}
