namespace KestrelEventLoopTransport.Framing;

/// <summary>How a <see cref="FrameReader"/> answers what its peer does wrong.</summary>
public sealed class FrameReaderOptions
{
    internal static FrameReaderOptions Default { get; } = new();

    /// <summary>What happens to a frame longer than the codec allows. Default: <see cref="TooLongBehavior.Error"/>.</summary>
    public TooLongBehavior TooLong { get; init; }

    /// <summary>
    /// Whether the stream may end inside a frame. If so, the incomplete frame is dropped and reading ends as usual;
    /// otherwise it fails with <see cref="FrameError.Truncated"/>. Default: <see langword="false"/>.
    /// </summary>
    public bool AllowTruncated { get; init; }
}
