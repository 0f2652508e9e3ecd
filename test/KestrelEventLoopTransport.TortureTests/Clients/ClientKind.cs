namespace KestrelEventLoopTransport.TortureTests;

/// <summary>What the clients of an episode are.</summary>
internal enum ClientKind
{
    /// <summary>Plain sockets, that no fault touches.</summary>
    Socket,

    /// <summary>Connections that the server's loops open, with faults of their own.</summary>
    EventLoop,
}
