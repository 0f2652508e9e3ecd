namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// The peer sent bytes that are not a frame of the codec. No frame can be read behind them, so the connection should be
/// closed. The exception to this is an oversized frame that was dropped
/// (<see cref="OversizedFrameBehavior.Discard"/>): <see cref="FrameHandler.OnInvalidFrameAsync"/> gets this exception,
/// and reading goes on.
/// </summary>
public sealed class FrameException : IOException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="error">Why reading failed.</param>
    /// <param name="message">A sentence for the log, and for the handler.</param>
    public FrameException(FrameError error, string message)
        : base(message) => Error = error;

    /// <summary>Why reading failed.</summary>
    public FrameError Error { get; }
}
