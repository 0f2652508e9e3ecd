namespace KestrelEventLoopTransport.Framing;

/// <summary>The result of <see cref="CustomFrameCodec.Scan"/>.</summary>
public readonly struct FrameScanResult
{
    private FrameScanResult(long length, int head, int tail, bool isFrame, string? error)
    {
        Length = length;
        Head = head;
        Tail = tail;
        IsFrame = isFrame;
        Error = error;
    }

    internal long Length { get; }

    internal int Head { get; }

    internal int Tail { get; }

    internal bool IsFrame { get; }

    internal string? Error { get; }

    /// <summary>The frame's end is not known yet. The codec is called again when more bytes have arrived.</summary>
    public static FrameScanResult More => default;

    /// <summary>
    /// The frame's end is not known yet, and the frame has at least <paramref name="length"/> bytes. The codec is
    /// called again when so many have arrived. More than <see cref="FrameCodec.MaxFrameLength"/> means that the frame
    /// is oversized.
    /// </summary>
    /// <param name="length">Number of bytes, counted from the start of the frame.</param>
    public static FrameScanResult AtLeast(long length) => new(length, 0, 0, isFrame: false, error: null);

    /// <summary>
    /// The frame is <paramref name="length"/> bytes long. They need not have arrived: the reader waits for them.
    /// </summary>
    /// <param name="length">Number of bytes of the frame, including those that are stripped; at least 1.</param>
    /// <param name="head">Number of bytes to strip from the front; 0 or more.</param>
    /// <param name="tail">Number of bytes to strip from the end; 0 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A number is out of range, or more bytes would be stripped than the frame has.
    /// </exception>
    public static FrameScanResult Frame(long length, int head = 0, int tail = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(head);
        ArgumentOutOfRangeException.ThrowIfNegative(tail);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(head, length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tail, length - head);
        return new(length, head, tail, isFrame: true, error: null);
    }

    /// <summary>The bytes are not a frame. Reading fails with <see cref="FrameError.Corrupted"/>.</summary>
    /// <param name="reason">A sentence for the log.</param>
    public static FrameScanResult Corrupted(string reason)
    {
        ArgumentNullException.ThrowIfNull(reason);
        return new(0, 0, 0, isFrame: false, reason);
    }
}
