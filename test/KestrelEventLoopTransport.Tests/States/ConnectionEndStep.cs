namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// One step of a thread at the end of a connection: one atomic operation, or one system call, of
/// <c>StreamConnection</c> and its halves.
/// </summary>
internal enum ConnectionEndStep
{
    Nothing,
    Register,
    SetToken,
    AwaitRegistered,
    AwaitStarted,

    PeerFinishes,
    PeerResets,
    AnnounceIfCompleted,
    BeginReceive,
    Watch,
    Receive,
    EndReceive,
    OnInputEnded,
    StopIfAborted,

    GiveReason,
    GiveReasonToReset,
    SetAborted,
    SetResets,
    LookForFin,
    LookForEnd,
    LookForReader,
    TakeRest,

    BeginDispose,
    CompleteInput,
    LookForPeer,
    CompleteOutput,
    EndDispose,
    LookForFinish,
    Wait,
    LookAgainForFinish,
    AwaitFinish,

    Send,
    EndSend,
    OnOutputDrained,
    LookForAbort,
    ReleaseOutput,
    ShutDown,

    Borrow,
    Call,
    Release,
    StopHalves,
    StopHalvesAndLinger,
    StopInput,
    StopOutput,
    CloseDescriptor,
    TellOwner,
    EndClose,
    Announce,
    Fire,
    EndAnnounce,
    Finish,
}
