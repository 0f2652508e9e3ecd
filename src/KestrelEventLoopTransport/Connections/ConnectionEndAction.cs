namespace KestrelEventLoopTransport.Connections;

/// <summary>What a thread that moved <see cref="ConnectionEnd"/> has to do now.</summary>
internal enum ConnectionEndAction
{
    None,

    /// <summary>The thread stops both halves.</summary>
    StopHalves,

    /// <summary>The thread completes both pipes.</summary>
    CompletePipes,

    /// <summary>The thread fires <c>ConnectionClosed</c>.</summary>
    Announce,

    /// <summary>The connection is finished: the thread completes <c>DisposeAsync</c>.</summary>
    Finish,
}
