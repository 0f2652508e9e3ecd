namespace KestrelEventLoopTransport.Framing.Codecs;

/// <summary>
/// What is known of the current frame of a connection. All fields are zero at its start. Codecs are shared by all
/// connections, so they keep no state themselves.
/// </summary>
internal struct DecoderState
{
    /// <summary>Number of bytes of the frame that the codec has scanned. The reader counts them.</summary>
    public long Seen;

    /// <summary>Number of bytes of the frame, set by the codec; 0 while unknown.</summary>
    public long Length;

    /// <summary>Why the bytes are not a frame, set by the codec.</summary>
    public string? Error;

    /// <summary>Number of bytes to strip from the front.</summary>
    public int Head;

    /// <summary>Number of bytes to strip from the end.</summary>
    public int Tail;

    /// <summary>
    /// Number of bytes of <see cref="Length"/>, or of <see cref="Seen"/> while the length is unknown, that do not count
    /// toward the maximum: a prefix, a delimiter, or the start of a possible delimiter.
    /// </summary>
    public int Uncounted;

    /// <summary>For the codec: how far it is in a header or a delimiter.</summary>
    public int Step;

    /// <summary>For the codec: what it has read of a header.</summary>
    public long Value;
}
