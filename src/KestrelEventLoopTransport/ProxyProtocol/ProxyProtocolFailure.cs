namespace KestrelEventLoopTransport;

/// <summary>Why a connection was closed that should have begun with a PROXY header.</summary>
/// <seealso cref="EventLoopEndpoint.GetProxyProtocolFailures"/>
public enum ProxyProtocolFailure
{
    /// <summary>The peer is not trusted.</summary>
    Untrusted = 0,

    /// <summary>The peer closed the connection without a byte. Health checks of TCP do that.</summary>
    Empty = 1,

    /// <summary>The peer closed or reset the connection within the header.</summary>
    Truncated = 2,

    /// <summary>The header was not complete in time.</summary>
    TimedOut = 3,

    /// <summary>The first bytes are not those of a header.</summary>
    NoHeader = 4,

    /// <summary>The header is of a version that the endpoint does not take.</summary>
    WrongVersion = 5,

    /// <summary>The header is longer than it may be.</summary>
    TooLong = 6,

    /// <summary>The header is not as the specification says.</summary>
    Malformed = 7,

    /// <summary>The checksum is wrong.</summary>
    WrongChecksum = 8,

    /// <summary>The endpoint stopped while the connection waited for its header.</summary>
    Stopped = 9,

    /// <summary>The transport had no memory or no descriptor for the connection.</summary>
    Failed = 10,
}
