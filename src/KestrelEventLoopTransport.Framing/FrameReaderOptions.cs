namespace KestrelEventLoopTransport.Framing;

/// <summary>How a <see cref="FrameReader"/> treats oversized and incomplete frames.</summary>
public sealed class FrameReaderOptions
{
    internal static FrameReaderOptions Default { get; } = new();

    /// <summary>
    /// What happens to a frame that is longer than the codec allows. Default:
    /// <see cref="OversizedFrameBehavior.Error"/>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The value is none of <see cref="OversizedFrameBehavior"/>.
    /// </exception>
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
    /// Whether the stream may end inside a frame. If so, the incomplete frame is dropped and reading ends as usual. If
    /// not, reading fails with <see cref="FrameError.Truncated"/>. Default: <see langword="false"/>.
    /// </summary>
    public bool AllowTruncated { get; init; }

    /// <summary>
    /// Whether the end of the stream counts as the last delimiter, so that for example a last line without its end is
    /// delivered. This is for codecs whose frames end with a delimiter (<see cref="FrameCodec.Line"/>,
    /// <see cref="FrameCodec.Delimited(int, ReadOnlySpan{byte}, bool)"/>). Other codecs never deliver an incomplete
    /// frame. Default: <see langword="false"/>, see <see cref="AllowTruncated"/>.
    /// </summary>
    public bool DeliverTruncated { get; init; }
}
