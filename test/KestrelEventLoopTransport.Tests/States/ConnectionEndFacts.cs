namespace KestrelEventLoopTransport.Tests.States;

/// <summary>What has happened to a connection, its halves and those who wait for its end.</summary>
[Flags]
internal enum ConnectionEndFacts
{
    None = 0,

    /// <summary>The loop may call.</summary>
    Registered = 1,
    TokenKnown = 2,
    PeerFinished = 4,
    PeerReset = 8,

    /// <summary>A thread receives.</summary>
    InputBusy = 16,
    InputStopped = 32,
    InputReleased = 64,
    InputEnded = 128,
    InputCompleted = 256,
    InputClosing = 512,

    /// <summary>A thread sends.</summary>
    OutputBusy = 1024,
    OutputStopped = 2048,
    OutputReleased = 4096,
    OutputDraining = 8192,
    OutputDrained = 16384,
    ReasonGiven = 32768,

    /// <summary>The descriptor is closed, or has been passed to a lingering socket.</summary>
    DescriptorClosed = 65536,
    OwnerToldOfDescriptor = 131072,
    OwnerToldOfConnection = 262144,
    ClosedFired = 524288,

    /// <summary>A caller of <c>DisposeAsync</c> waits.</summary>
    Waits = 1048576,
    Finished = 2097152,

    /// <summary><c>DisposeAsync</c> has completed.</summary>
    DisposeReturned = 4194304,
    OutputCompleted = 8388608,

    /// <summary>The endpoint allows half-close.</summary>
    HalfCloses = 16777216,

    /// <summary>The token that says that the peer has finished has fired.</summary>
    TokenFired = 33554432,
}
