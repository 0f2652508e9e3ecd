namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>What discarding a connection's unread input met.</summary>
internal enum DiscardResult
{
    /// <summary>Nothing was there.</summary>
    None,

    /// <summary>Bytes were there, and are gone.</summary>
    Bytes,

    /// <summary>Bytes were there, and more are waiting.</summary>
    More,

    /// <summary>The kernel had no memory to tell: there may be bytes, and no edge will come for them.</summary>
    Short,

    /// <summary>The peer has ended the stream, or the connection is broken.</summary>
    End,
}
