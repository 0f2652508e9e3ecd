namespace KestrelEventLoopTransport.Tests.States;

/// <summary>The steps of the sender's program.</summary>
internal enum SendStep
{
    None,
    LookForBytes,
    Call,
    ReadState,
    ReadHead,
    LookForRoom,
    End,
}
