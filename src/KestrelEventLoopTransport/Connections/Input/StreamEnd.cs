namespace KestrelEventLoopTransport.Connections.Input;

/// <summary>How a connection's input ended.</summary>
internal enum StreamEnd : byte
{
    None,

    /// <summary>The peer finished sending (FIN).</summary>
    Finished,

    /// <summary>The peer reset the connection (RST), or it broke while we were sending.</summary>
    Reset,

    /// <summary>Any other error, such as a time-out of the network.</summary>
    Failed,
}
