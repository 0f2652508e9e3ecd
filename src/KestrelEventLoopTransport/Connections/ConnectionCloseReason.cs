namespace KestrelEventLoopTransport.Connections;

/// <summary>What has ended a connection, for the metrics.</summary>
internal enum ConnectionCloseReason
{
    /// <summary>This side has closed it, and the peer has not finished before.</summary>
    Completed,

    /// <summary>The peer has finished sending, and then this side has closed it.</summary>
    PeerFinished,

    /// <summary>The application has aborted it.</summary>
    Aborted,

    /// <summary>The peer has reset it, or is gone.</summary>
    Reset,

    /// <summary>A time limit of the endpoint has ended it.</summary>
    TimedOut,

    /// <summary>A system call has failed for another reason.</summary>
    Failed,
}
