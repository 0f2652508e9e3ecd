namespace KestrelEventLoopTransport.Framing;

/// <summary>Why reading frames failed.</summary>
public enum FrameError
{
    /// <summary>A frame is longer than the codec's maximum.</summary>
    TooLong,

    /// <summary>
    /// The bytes cannot be a frame of the codec: a negative length, a length less than its own header.
    /// </summary>
    Corrupted,

    /// <summary>The stream ended inside a frame.</summary>
    Truncated,
}
