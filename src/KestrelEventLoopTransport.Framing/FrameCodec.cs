using System.Buffers;
using KestrelEventLoopTransport.Framing.Codecs;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// Cuts a stream of bytes into frames, and writes frames to a stream. The codecs that this class creates are immutable:
/// one instance serves any number of connections at once.
/// </summary>
/// <remarks>
/// <para>
/// The frames never depend on how the bytes were cut into reads and buffers, and each byte is scanned once. Frames are
/// written as they are read, without prefix or delimiter. A frame that would not be read back the same is refused.
/// </para>
/// <para>
/// Parameters mean the same as those of netty's <c>LineBasedFrameDecoder</c>, <c>DelimiterBasedFrameDecoder</c>,
/// <c>FixedLengthFrameDecoder</c>, <c>LengthFieldBasedFrameDecoder</c> and <c>ProtobufVarint32FrameDecoder</c>.
/// </para>
/// </remarks>
public abstract class FrameCodec
{
    private protected FrameCodec(int maxFrameLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxFrameLength, 1);
        MaxFrameLength = maxFrameLength;
    }

    /// <summary>
    /// Length of the longest frame in bytes. Each codec says which bytes count. A reader buffers no more than this, the
    /// frame's prefix or delimiter, and what a single read of its <c>PipeReader</c> returned.
    /// </summary>
    public int MaxFrameLength { get; }

    /// <summary>Creates a codec for lines. A frame is a line without its end.</summary>
    /// <param name="maxFrameLength">Longest line in bytes, its end not counted; at least 1.</param>
    /// <param name="ending">What ends a line. Default: <see cref="LineEnding.Lf"/>.</param>
    /// <param name="keepDelimiter">
    /// Whether frames include the line's end, when read and when written. A frame is then written with the end that it
    /// has. Default: <see langword="false"/>.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of range.</exception>
    public static FrameCodec Line(int maxFrameLength, LineEnding ending = LineEnding.Lf, bool keepDelimiter = false)
        => ending switch
        {
            LineEnding.Lf => new LineCodec(maxFrameLength, "\n"u8.ToArray(), keepDelimiter),
            LineEnding.CrLf => new LineCodec(maxFrameLength, "\r\n"u8.ToArray(), keepDelimiter),
            LineEnding.StrictCrLf => new DelimitedCodec(maxFrameLength, ["\r\n"u8.ToArray()], keepDelimiter),
            _ => throw new ArgumentOutOfRangeException(
                nameof(ending), ending, "ending must be Lf, CrLf or StrictCrLf."),
        };

    /// <summary>Creates a codec for frames that end with a delimiter of one or more bytes.</summary>
    /// <param name="maxFrameLength">Longest frame in bytes, its delimiter not counted; at least 1.</param>
    /// <param name="delimiter">The delimiter; 1 to 1024 bytes.</param>
    /// <param name="keepDelimiter">
    /// Whether frames include the delimiter, when read and when written. Default: <see langword="false"/>.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxFrameLength"/> is out of range.</exception>
    /// <exception cref="ArgumentException">The delimiter is empty or too long.</exception>
    public static FrameCodec Delimited(int maxFrameLength, ReadOnlySpan<byte> delimiter, bool keepDelimiter = false)
        => new DelimitedCodec(maxFrameLength, [delimiter.ToArray()], keepDelimiter);

    /// <summary>
    /// Creates a codec for frames that end with any of several delimiters. If two end at the same byte, the longer one
    /// counts.
    /// </summary>
    /// <param name="maxFrameLength">Longest frame in bytes, its delimiter not counted; at least 1.</param>
    /// <param name="delimiters">
    /// The delimiters, 1 to 1024 bytes together. The first one is written. None may be equal to another one, or be at
    /// its start or in its middle, because the end of a frame would depend on how much has arrived.
    /// </param>
    /// <param name="keepDelimiter">
    /// Whether frames include their delimiter, when read and when written. Default: <see langword="false"/>.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxFrameLength"/> is out of range.</exception>
    /// <exception cref="ArgumentException">The delimiters are not as described.</exception>
    public static FrameCodec Delimited(int maxFrameLength, IEnumerable<byte[]> delimiters, bool keepDelimiter = false)
    {
        ArgumentNullException.ThrowIfNull(delimiters);
        byte[][] copies = [.. delimiters.Select(static d => d?.ToArray() ?? [])];
        return new DelimitedCodec(maxFrameLength, copies, keepDelimiter);
    }

    /// <summary>Creates a codec for frames of one fixed length.</summary>
    /// <param name="frameLength">Length of each frame in bytes; at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="frameLength"/> is out of range.</exception>
    public static FrameCodec FixedLength(int frameLength) => new FixedLengthCodec(frameLength);

    /// <summary>Creates a codec for frames with their length in front. The length is not part of the frame.</summary>
    /// <param name="maxFrameLength">Longest frame in bytes, the prefix not counted; at least 1.</param>
    /// <param name="prefixSize">Size of the length in bytes: 1, 2, 3, 4 or 8. Default: 4.</param>
    /// <param name="byteOrder">Order of the length's bytes. Default: <see cref="ByteOrder.BigEndian"/>.</param>
    /// <param name="lengthIncludesPrefix">
    /// Whether the length counts its own bytes. Default: <see langword="false"/>.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A parameter is out of range.</exception>
    public static FrameCodec LengthPrefixed(
        int maxFrameLength,
        int prefixSize = 4,
        ByteOrder byteOrder = ByteOrder.BigEndian,
        bool lengthIncludesPrefix = false)
        => LengthFieldCodec.Prefixed(maxFrameLength, prefixSize, byteOrder, lengthIncludesPrefix);

    /// <summary>
    /// Creates a codec for frames whose header has a field with their length, with the parameters of netty's
    /// <c>LengthFieldBasedFrameDecoder</c>. The length of a frame is the field's value plus <c>lengthFieldOffset +
    /// lengthFieldLength + lengthAdjustment</c>. A field of 8 bytes is signed, the others are not.
    /// </summary>
    /// <remarks>
    /// When a frame is written, the codec fills in the field; what the given frame has in its place does not matter. If
    /// <paramref name="initialBytesToStrip"/> strips other bytes than the field itself, the codec cannot write them
    /// back: writing throws <see cref="NotSupportedException"/>.
    /// </remarks>
    /// <param name="maxFrameLength">Longest frame in bytes, with its whole header; at least 1.</param>
    /// <param name="lengthFieldOffset">Number of bytes before the field; 0 or more.</param>
    /// <param name="lengthFieldLength">Size of the field in bytes: 1, 2, 3, 4 or 8.</param>
    /// <param name="lengthAdjustment">
    /// The number of bytes behind the field, minus the field's value. Default: 0.
    /// </param>
    /// <param name="initialBytesToStrip">
    /// Number of bytes to strip from the front of each frame; 0 to the length of the shortest possible frame. Default:
    /// 0.
    /// </param>
    /// <param name="byteOrder">Order of the field's bytes. Default: <see cref="ByteOrder.BigEndian"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A parameter is out of range, or the shortest possible frame is longer than <paramref name="maxFrameLength"/>.
    /// </exception>
    public static FrameCodec LengthField(
        int maxFrameLength,
        int lengthFieldOffset,
        int lengthFieldLength,
        int lengthAdjustment = 0,
        int initialBytesToStrip = 0,
        ByteOrder byteOrder = ByteOrder.BigEndian)
        => LengthFieldCodec.WithHeader(
            maxFrameLength, lengthFieldOffset, lengthFieldLength, lengthAdjustment, initialBytesToStrip, byteOrder);

    /// <summary>
    /// Creates a codec for frames with their length in front as a Protocol Buffers varint: seven bits per byte, least
    /// significant first, with the top bit set in all bytes but the last. It has at most 5 bytes and is at most 2³¹−1.
    /// The length is not part of the frame.
    /// </summary>
    /// <param name="maxFrameLength">Longest frame in bytes, the prefix not counted; at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxFrameLength"/> is out of range.</exception>
    public static FrameCodec Varint32(int maxFrameLength) => new Varint32Codec(maxFrameLength);

    /// <summary>Writes one frame, for example to encode a frame once that is sent to many connections.</summary>
    /// <param name="output">Takes the bytes. Nothing is written if the frame is refused.</param>
    /// <param name="frame">The frame as a reader gets it.</param>
    /// <exception cref="ArgumentException">
    /// A reader with this codec would not get the same frame back: it is too long, contains the delimiter, or does not
    /// have the fixed length.
    /// </exception>
    /// <exception cref="NotSupportedException">The codec only reads, see <see cref="LengthField"/>.</exception>
    public void Encode(IBufferWriter<byte> output, ReadOnlySpan<byte> frame) => Encode(output, frame, default);

    /// <inheritdoc cref="Encode(IBufferWriter{byte}, ReadOnlySpan{byte})"/>
    /// <summary>Writes one frame that is given in two parts.</summary>
    /// <param name="output">Takes the bytes. Nothing is written if the frame is refused.</param>
    /// <param name="header">The frame's first part.</param>
    /// <param name="payload">The rest of it.</param>
    public void Encode(IBufferWriter<byte> output, ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload)
    {
        ArgumentNullException.ThrowIfNull(output);
        EncodeCore(new FramePayload(header, payload), output);
    }

    /// <inheritdoc cref="Encode(IBufferWriter{byte}, ReadOnlySpan{byte})"/>
    public void Encode(IBufferWriter<byte> output, in ReadOnlySequence<byte> frame)
    {
        ArgumentNullException.ThrowIfNull(output);
        EncodeCore(new FramePayload(frame), output);
    }

    /// <summary>Writes a frame, or throws and writes nothing.</summary>
    internal abstract void EncodeCore(in FramePayload frame, IBufferWriter<byte> output);

    /// <summary>Writes a frame to a buffer, where an incomplete frame does no harm.</summary>
    internal virtual void EncodeTo(EncodeBuffer buffer, in FramePayload frame) => EncodeCore(frame, buffer);

    private protected void ThrowIfTooLong(long counted)
    {
        if (counted > MaxFrameLength)
        {
            throw new ArgumentException($"The frame has {counted} bytes; the codec's maximum is {MaxFrameLength}.");
        }
    }
}
