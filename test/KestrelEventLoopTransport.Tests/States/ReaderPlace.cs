namespace KestrelEventLoopTransport.Tests.States;

/// <summary>How far the reader has come in a read.</summary>
internal enum ReaderPlace : byte
{
    Idle,
    Looks,
    BeginsTaking,
    Takes,
    EndsTaking,
    BeginsReceive,
    Receives,
    EndsReceive,
    Parks,
    IsParked,
    IsQueued,
    TakesResult,
    Advances,
    Rewatches,
    IsDone,
}
