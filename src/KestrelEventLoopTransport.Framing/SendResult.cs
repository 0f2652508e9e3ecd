namespace KestrelEventLoopTransport.Framing;

/// <summary>What became of a frame given to <see cref="FrameConnection.TrySend"/>.</summary>
public enum SendResult
{
    /// <summary>
    /// The frame was taken: it leaves now, or behind earlier ones. If the connection breaks, it may still not be sent.
    /// </summary>
    Accepted,

    /// <summary>
    /// The frame was not taken: <see cref="FrameHandlerOptions.MaxQueuedBytes"/> are waiting already, because the peer
    /// reads too slowly.
    /// </summary>
    QueueFull,

    /// <summary>
    /// The frame was not taken: the connection is over or about to be (<see cref="FrameConnection.IsClosing"/>).
    /// </summary>
    Closed,
}
