namespace KestrelEventLoopTransport.Dialing;

/// <summary>What a dial does next.</summary>
internal enum DialMoveKind
{
    /// <summary>It waits for an event, at most until <see cref="DialMove.Until"/>.</summary>
    Wait,

    /// <summary>It begins an attempt.</summary>
    Start,

    /// <summary>It closes the socket of an attempt whose time is up.</summary>
    Abandon,

    /// <summary>It fails: nothing is left to try, or its time is up.</summary>
    Fail,
}
