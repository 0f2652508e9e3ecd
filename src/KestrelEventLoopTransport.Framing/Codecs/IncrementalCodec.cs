namespace KestrelEventLoopTransport.Framing.Codecs;

/// <summary>
/// Base of the codecs that <see cref="FrameCodec"/> creates. They scan each byte once and keep what they know of an
/// incomplete frame in a <see cref="DecoderState"/>.
/// </summary>
internal abstract class IncrementalCodec(int maxFrameLength) : FrameCodec(maxFrameLength)
{
    /// <summary>
    /// Whether a delimiter marks the end of a frame. If so, the stream may end without the last delimiter.
    /// </summary>
    internal virtual bool EndsWithDelimiter => false;

    /// <summary>Looks at the bytes that follow those of earlier calls for the same frame.</summary>
    /// <param name="bytes">Never empty.</param>
    /// <param name="state">
    /// The state of this frame. The reader counts <see cref="DecoderState.Seen"/>; the codec only reads it.
    /// </param>
    /// <returns>
    /// Whether the frame's length is known now, or the frame has an error. If not, all of the bytes belong to it.
    /// </returns>
    internal abstract bool Scan(ReadOnlySpan<byte> bytes, ref DecoderState state);
}
