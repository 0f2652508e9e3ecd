namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>What was found when a connection's unread input was discarded.</summary>
internal enum DiscardResult
{
    /// <summary>There was nothing.</summary>
    None,

    /// <summary>There were bytes, and they are discarded.</summary>
    Bytes,

    /// <summary>Bytes were discarded, and more are waiting.</summary>
    More,

    /// <summary>The kernel had no memory for the call. There may be bytes, and no edge will report them.</summary>
    Short,

    /// <summary>The peer has ended the stream, or the connection is broken.</summary>
    End,
}
