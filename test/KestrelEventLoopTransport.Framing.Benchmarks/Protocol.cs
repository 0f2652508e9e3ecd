using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Benchmarks;

/// <summary>A codec and the loop that is written by hand for the same protocol.</summary>
public sealed class Protocol
{
    private readonly string _name;

    private Protocol(string name, FrameCodec codec, HandWrittenLoop loop)
    {
        _name = name;
        Codec = codec;
        Loop = loop;
    }

    /// <summary>Reads all frames of some bytes.</summary>
    public delegate long HandWrittenLoop(in ReadOnlySequence<byte> bytes, out SequencePosition rest);

    public static IEnumerable<Protocol> All { get; } =
    [
        new("Line", FrameCodec.Line(Frames.MaxLength), HandWritten.ReadLines),
        new("Delimited CR LF", FrameCodec.Delimited(Frames.MaxLength, "\r\n"u8), HandWritten.ReadDelimited),
        new("FixedLength", FrameCodec.FixedLength(Frames.Length), HandWritten.ReadFixedLength),
        new("LengthPrefixed", FrameCodec.LengthPrefixed(Frames.MaxLength), HandWritten.ReadLengthPrefixed),
        new("LengthField", FrameCodec.LengthField(Frames.MaxLength, 0, 4, 0, 4), HandWritten.ReadLengthPrefixed),
        new("Varint32", FrameCodec.Varint32(Frames.MaxLength), HandWritten.ReadVarint32),
    ];

    public FrameCodec Codec { get; }

    public HandWrittenLoop Loop { get; }

    public override string ToString() => _name;
}
