namespace KestrelEventLoopTransport.Framing;

/// <summary>How a <see cref="FrameReader"/> answers what its peer does wrong.</summary>
public sealed class FrameReaderOptions
{
    internal static FrameReaderOptions Default { get; } = new();

    /// <summary>
    /// What happens to a frame longer than the codec allows. Default: <see cref="OversizedFrameBehavior.Error"/>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is none of <see cref="OversizedFrameBehavior"/>.</exception>
    public OversizedFrameBehavior OversizedFrame
    {
        get;
        init
        {
            if (value is not (OversizedFrameBehavior.Error or OversizedFrameBehavior.Discard))
            {
                throw new ArgumentOutOfRangeException(
                    nameof(OversizedFrame), value, "OversizedFrame must be Error or Discard.");
            }

            field = value;
        }
    }

    /// <summary>
    /// Whether the stream may end inside a frame. If so, the incomplete frame is dropped and reading ends as usual;
    /// otherwise it fails with <see cref="FrameError.Truncated"/>. Default: <see langword="false"/>.
    /// </summary>
    public bool AllowTruncated { get; init; }

    /// <summary>
    /// Whether a stream that ends without the last delimiter ends with a frame all the same: with a last line that has
    /// no line end, say. It is for codecs whose frames end with a delimiter (<see cref="FrameCodec.Line"/>,
    /// <see cref="FrameCodec.Delimited(int, ReadOnlySpan{byte}, bool)"/>); where a length is told, an incomplete frame
    /// is never delivered. Default: <see langword="false"/>, see <see cref="AllowTruncated"/>.
    /// </summary>
    public bool DeliverTruncated { get; init; }
}
