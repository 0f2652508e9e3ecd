namespace KestrelEventLoopTransport.Polling;

/// <summary>What a poller reports about a descriptor.</summary>
[Flags]
internal enum PollEvents
{
    None = 0,

    /// <summary>A receive or accept may succeed.</summary>
    Readable = 1,

    /// <summary>A send may succeed.</summary>
    Writable = 2,

    /// <summary>The peer has finished sending. Bytes that arrived before may still be unread.</summary>
    PeerClosed = 4,

    /// <summary>
    /// The connection has failed, or the error queue of the socket is not empty. The next receive shows which.
    /// </summary>
    Error = 8,

    /// <summary>Urgent data is in the stream. A receive stops at its mark, even if bytes follow.</summary>
    Urgent = 16,

    /// <summary>
    /// The socket is closed in both directions. A TCP connection that we have not shut down was reset; the peer of a
    /// Unix socket has closed it. Bytes that arrived before may still be unread.
    /// </summary>
    HangUp = 32,
}
