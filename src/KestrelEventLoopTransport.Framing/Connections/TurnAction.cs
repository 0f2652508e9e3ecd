namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>What the thread that has moved a <see cref="TurnState"/> has to do.</summary>
internal enum TurnAction
{
    None,

    /// <summary>It has the turn: it runs callbacks, and then leaves.</summary>
    Run,

    /// <summary>It is the reading loop, and waits until the turn is passed to it.</summary>
    Wait,

    /// <summary>It resumes the reading loop, which has the turn now.</summary>
    ResumeLoop,

    /// <summary>It puts the work item into the thread pool's queue.</summary>
    Queue,
}
