namespace KestrelEventLoopTransport.Connections;

/// <summary>What a connection waits for. It is for people to read: nothing in the transport depends on it.</summary>
internal enum ConnectionStatus
{
    /// <summary>The application works on what it has read, or does not read.</summary>
    Application,

    /// <summary>A read waits for the peer to send.</summary>
    PeerSends,

    /// <summary>The socket is full, because the peer does not take what is sent.</summary>
    PeerReads,

    /// <summary>As many bytes are received as may be, and the application does not read them.</summary>
    ReadingPaused,

    /// <summary>The connection is in the accept queue.</summary>
    AcceptQueue,

    /// <summary>The application has completed its output, and the rest is still to be sent.</summary>
    Draining,

    /// <summary>The connection has ended or is ending, and the application has not let go of it.</summary>
    Ending,
}
