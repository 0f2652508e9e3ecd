namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>What a receive has probably left in the socket.</summary>
internal enum Remainder
{
    /// <summary>Nothing. What arrives later makes an edge.</summary>
    None,

    /// <summary>Probably nothing, but only another receive can tell.</summary>
    Possible,

    /// <summary>Bytes, or the end of the stream.</summary>
    Likely,
}
