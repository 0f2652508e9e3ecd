namespace KestrelEventLoopTransport.Framing.Tests.States;

/// <summary>How far the reading loop has come.</summary>
internal enum LoopPlace
{
    /// <summary>It waits for frames, or for the peer to take what was written.</summary>
    Outside,

    /// <summary>The turn was taken, and it has not said yet that it waits.</summary>
    BeforeWait,

    Waiting,

    /// <summary>It has the turn, and delivers frames.</summary>
    Delivering,

    /// <summary>It has seen that something is due.</summary>
    BeforeDue,

    Leaving,

    /// <summary>It has the turn for good.</summary>
    Ended,
}
