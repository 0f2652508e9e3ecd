namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>What a <see cref="TurnState"/> consists of.</summary>
[Flags]
internal enum TurnFlags
{
    None = 0,

    /// <summary>The reading loop or the work item runs callbacks.</summary>
    Taken = 1,

    /// <summary>The reading loop waits for the turn, which the work item has.</summary>
    LoopWaits = 2,

    /// <summary>A wake was asked for and has not begun.</summary>
    WakeDue = 4,

    /// <summary>A tick was asked for and has not begun.</summary>
    TickDue = 8,

    /// <summary>The work item is in the thread pool's queue.</summary>
    Queued = 16,

    Due = WakeDue | TickDue,
}
