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

    /// <summary>The connection has failed or is closed both ways; the next receive or send tells how.</summary>
    Error = 8,

    /// <summary>Urgent data is in the stream: a receive stops short at its mark.</summary>
    Urgent = 16,
}
