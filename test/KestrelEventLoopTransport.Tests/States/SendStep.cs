namespace KestrelEventLoopTransport.Tests.States;

/// <summary>The steps of the sender's program.</summary>
internal enum SendStep
{
    None,
    LookForFin,
    LookForBytes,
    SendFin,
    Call,
    Watch,
    ReadState,
    ReadHead,
    LookForRoom,
    End,

    /// <summary>A bug: the thread is no longer the sender.</summary>
    WatchLate,
}
