namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// The peer sent something that is not a frame of the codec. There is nothing behind it that could be read: the
/// connection is best closed. Only behind a frame that was discarded (<see cref="OversizedFrameBehavior.Discard"/>), which
/// <see cref="FrameHandler.OnInvalidFrameAsync"/> is told with this type, reading goes on.
/// </summary>
public sealed class FrameException : IOException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="error">Why reading failed.</param>
    /// <param name="message">A sentence for the log.</param>
    public FrameException(FrameError error, string message)
        : base(message) => Error = error;

    /// <summary>Why reading failed.</summary>
    public FrameError Error { get; }
}
