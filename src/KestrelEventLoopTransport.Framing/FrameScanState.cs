namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// What a <see cref="CustomFrameCodec"/> remembers of a frame between two looks at it, so that it need not begin again.
/// Both are 0 at the first look at each frame; the reader only keeps them.
/// </summary>
public struct FrameScanState
{
    /// <summary>For the codec: number of bytes, from the start of the frame, that it need not look at again.</summary>
    public long Scanned { get; set; }

    /// <summary>For the codec: anything else.</summary>
    public long State { get; set; }
}
