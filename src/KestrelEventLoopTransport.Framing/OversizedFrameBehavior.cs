namespace KestrelEventLoopTransport.Framing;

/// <summary>What a <see cref="FrameReader"/> does with a frame that is longer than its codec allows.</summary>
public enum OversizedFrameBehavior
{
    /// <summary>
    /// Reading fails with a <see cref="FrameException"/> as soon as the frame is known to be too long.
    /// </summary>
    Error,

    /// <summary>
    /// The frame is dropped as it arrives, is not buffered, and counts in <see cref="FrameReader.DiscardedFrames"/>.
    /// The handler's <see cref="FrameHandler.OnInvalidFrameAsync"/> is called in its place. Reading goes on behind it.
    /// </summary>
    Discard,
}
