namespace KestrelEventLoopTransport.Polling;

/// <summary>What a poller says of a descriptor.</summary>
[Flags]
internal enum PollEvents
{
    None = 0,

    /// <summary>A receive or accept may succeed.</summary>
    Readable = 1,

    /// <summary>A send may succeed.</summary>
    Writable = 2,

    /// <summary>The peer sends no more; bytes that arrived before may still be unread.</summary>
    PeerClosed = 4,

    /// <summary>
    /// The socket has something to say other than bytes: mostly that the connection has failed, but also that its error
    /// queue is not empty. The next receive tells.
    /// </summary>
    Error = 8,

    /// <summary>Urgent data is in the stream: a receive stops short at its mark.</summary>
    Urgent = 16,

    /// <summary>
    /// The socket is closed both ways: a TCP connection that we did not shut down was reset, the peer of a Unix socket
    /// has closed it. Bytes that arrived before may still be unread.
    /// </summary>
    HangUp = 32,
}
