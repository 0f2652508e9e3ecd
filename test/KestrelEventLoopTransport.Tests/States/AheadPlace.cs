namespace KestrelEventLoopTransport.Tests.States;

/// <summary>How far a thread has come that receives ahead of the reader.</summary>
internal enum AheadPlace : byte
{
    Idle,
    Begins,
    Receives,
    Ends,
    Pauses,
    Continues,
    Rewatches,
}
