using KestrelEventLoopTransport.Connections;

namespace KestrelEventLoopTransport.Listening;

/// <summary>What a listener counts. The last two are the first of as many as their type has values.</summary>
internal enum ListenerCount
{
    /// <summary>Connections that were accepted and not refused.</summary>
    Accepted,

    /// <summary>Connections that were closed immediately after accept.</summary>
    Refused,

    /// <summary>Failed calls of <c>accept(2)</c>.</summary>
    Failed,

    /// <summary>Connections that the kernel has dropped because its queue was full.</summary>
    Dropped,

    /// <summary>Waits of an acceptor because the listener had as many connections as it may have.</summary>
    LimitPauses,

    /// <summary>Waits of an acceptor because descriptors or memory were short.</summary>
    ShortagePauses,

    /// <summary>Waits of an acceptor because the application had not taken what it had accepted.</summary>
    UntakenPauses,

    /// <summary>Bytes received on connections that have ended.</summary>
    ReceivedBytes,

    /// <summary>Bytes sent on connections that have ended.</summary>
    SentBytes,

    /// <summary>Connections that have ended, by <see cref="ConnectionCloseReason"/>.</summary>
    Closed,

    /// <summary>Connections without a valid PROXY header, by <see cref="ProxyProtocolFailure"/>.</summary>
    ProxyFailures = Closed + (int)ConnectionCloseReason.Failed + 1,

    /// <summary>The number of counts.</summary>
    End = ProxyFailures + (int)ProxyProtocolFailure.Failed + 1,
}
