namespace KestrelEventLoopTransport.Framing;

/// <summary>What a <see cref="CustomFrameCodec"/> found in the bytes it was given.</summary>
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

    /// <summary>The end of the frame cannot be told yet: look again when there is at least one more byte.</summary>
    public static FrameScanResult More => default;

    /// <summary>
    /// The end of the frame cannot be told yet, and not before there are <paramref name="length"/> bytes of it: the
    /// codec is not asked until then. More than <see cref="FrameCodec.MaxFrameLength"/> means that the frame is too
    /// long.
    /// </summary>
    /// <param name="length">Number of bytes, counted from the start of the frame.</param>
    public static FrameScanResult AtLeast(long length) => new(length, 0, 0, isFrame: false, error: null);

    /// <summary>
    /// The frame is <paramref name="length"/> bytes long, which need not be there yet: the reader waits for them.
    /// </summary>
    /// <param name="length">All bytes of the frame, with what is stripped; at least 1.</param>
    /// <param name="head">Number of bytes to strip from the front; 0 or more.</param>
    /// <param name="tail">Number of bytes to strip from the end; 0 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A number is out of range, or more would be stripped than there is.
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
