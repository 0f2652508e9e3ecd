namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// What a <see cref="CustomFrameCodec"/> knows of an incomplete frame, so that the next call need not start again. Both
/// values are 0 at the first call for each frame. The reader keeps them and does not use them.
/// </summary>
public struct FrameScanState
{
    /// <summary>Number of bytes, from the start of the frame, that the codec need not scan again.</summary>
    public long Scanned { get; set; }

    /// <summary>Any other state of the codec.</summary>
    public long State { get; set; }
}
