namespace KestrelEventLoopTransport.Tests.States;

/// <summary>What must not happen to an input.</summary>
internal enum InputFault : byte
{
    None,
    ResumedTwice,
    CallAfterRelease,
    OutOfOrder,
}
