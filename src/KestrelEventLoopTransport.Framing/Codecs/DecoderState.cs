namespace KestrelEventLoopTransport.Framing.Codecs;

/// <summary>
/// What is known of the frame that a connection is in the middle of. All zero at its start. Decoders are shared by all
/// connections and keep nothing themselves.
/// </summary>
internal struct DecoderState
{
    /// <summary>Bytes of the frame that the decoder has seen. The reader counts them.</summary>
    public long Seen;

    /// <summary>All bytes of the frame, from the decoder; 0 while unknown.</summary>
    public long Length;

    /// <summary>Why these bytes are no frame, from the decoder.</summary>
    public string? Error;

    /// <summary>Bytes to strip from the front.</summary>
    public int Head;

    /// <summary>Bytes to strip from the end.</summary>
    public int Tail;

    /// <summary>
    /// Bytes of <see cref="Length"/>, or of <see cref="Seen"/> while the length is unknown, that do not count toward
    /// the maximum: a prefix, a delimiter, what may become one.
    /// </summary>
    public int Uncounted;

    /// <summary>The decoder's own: where it is in a header or a delimiter.</summary>
    public int Step;

    /// <summary>The decoder's own: what it has read of a header.</summary>
    public long Value;
}
