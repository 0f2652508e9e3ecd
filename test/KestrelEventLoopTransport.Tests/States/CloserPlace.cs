namespace KestrelEventLoopTransport.Tests.States;

/// <summary>How far the thread has come that ends a connection from our side.</summary>
internal enum CloserPlace : byte
{
    Begins,
    SetsReady,
    BeginsDiscard,
    Discards,
    EndsDiscard,
    Stops,
    IsDone,
}
