namespace KestrelEventLoopTransport.Connections;

/// <summary>What a thread that moved <see cref="ConnectionEnd"/> has to do now.</summary>
[Flags]
internal enum ConnectionEndAction
{
    None = 0,

    /// <summary>The thread stops both halves.</summary>
    StopHalves = 1,

    /// <summary>The thread completes both pipes.</summary>
    CompletePipes = 2,

    /// <summary>The thread fires <c>ConnectionClosed</c>.</summary>
    Announce = 4,

    /// <summary>The connection is finished: the thread completes <c>DisposeAsync</c>.</summary>
    Finish = 8,

    /// <summary>The thread fires the token that says that the peer has finished.</summary>
    TellPeerFinished = 16,
}
