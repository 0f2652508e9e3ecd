namespace KestrelEventLoopTransport.Framing;

/// <summary>The result of <see cref="FrameConnection.TrySend"/>.</summary>
public enum SendResult
{
    /// <summary>
    /// The frame was taken. It leaves at once or after earlier ones, unless the connection breaks.
    /// </summary>
    Accepted,

    /// <summary>
    /// The frame was not taken, because the peer reads too slowly: <see cref="FrameHandlerOptions.MaxQueuedBytes"/> are
    /// already waiting.
    /// </summary>
    QueueFull,

    /// <summary>
    /// The frame was not taken, because the connection has ended or is closing.
    /// </summary>
    Closed,
}
