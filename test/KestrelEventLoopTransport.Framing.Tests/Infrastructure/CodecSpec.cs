using System.Text;
using KestrelEventLoopTransport.Framing.Codecs;

namespace KestrelEventLoopTransport.Framing.Tests.Infrastructure;

/// <summary>
/// A codec of random parameters, with small limits so that they matter, beside its reference decoder.
/// </summary>
internal sealed class CodecSpec
{
    // Bytes that mean something to the codec: most of a random stream's are taken from here.
    private readonly byte[] _alphabet;
    private readonly int _fixedLength;

    private CodecSpec(
        string name, FrameCodec codec, Reference.Measure measure, int overhead, byte[] alphabet, int fixedLength = 0)
    {
        Name = name;
        Codec = codec;
        Measure = measure;
        Overhead = overhead;
        _alphabet = alphabet;
        _fixedLength = fixedLength;
    }

    public string Name { get; }

    public FrameCodec Codec { get; }

    public Reference.Measure Measure { get; }

    /// <summary>Bytes of a prefix or delimiter, which may be buffered beyond the maximum.</summary>
    public int Overhead { get; }

    /// <summary>Makes those bytes of a frame zero that the encoder fills in.</summary>
    public Func<byte[], byte[]>? Mask { get; private init; }

    /// <summary>What an encoder that checks nothing would write.</summary>
    public Func<byte[], IEnumerable<byte>> Wrap { get; private init; } = static frame => frame;

    public static CodecSpec Create(CodecKind kind, Random random)
    {
        var max = random.Next(10) == 0 ? random.Next(1, 2000) : random.Next(1, 20);
        return kind switch
        {
            CodecKind.Line => Line(random, max),
            CodecKind.StrictLine => StrictLine(random, max),
            CodecKind.Delimited => Delimited(random, max),
            CodecKind.FixedLength => new(
                $"FixedLength({max})", FrameCodec.FixedLength(max), Reference.FixedLength(max), 0, [1, 2], max),
            CodecKind.LengthPrefixed => LengthPrefixed(random, max),
            CodecKind.LengthField => LengthField(random, max),
            CodecKind.Varint32 => new(
                $"Varint32({max})",
                FrameCodec.Varint32(max),
                Reference.Varint32(),
                5,
                [0, 1, 2, 5, 8, 0x7F, 0x80, 0x81, 0xFF])
            {
                Wrap = static frame => frame.Length < 128
                    ? frame.Prepend((byte)frame.Length)
                    : frame.Prepend((byte)(frame.Length >> 7)).Prepend((byte)(frame.Length | 0x80)),
            },
            CodecKind.Custom => new(
                $"Netstring({max})", new NetstringCodec(max), Reference.Netstring(max), 0, [.. "0123:,::1"u8]),
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };
    }

    public override string ToString() => Name;

    public Decoding DecodeByReference(byte[] bytes, FrameReaderOptions options)
        => Reference.Decode(
            bytes,
            Measure,
            Codec.MaxFrameLength,
            options,
            Codec is IncrementalCodec { EndsWithDelimiter: true });

    /// <summary>Something that looks like a frame of the codec, often without being one.</summary>
    public byte[] CreateContent(Random random)
    {
        var length = _fixedLength > 0 && random.Next(10) > 0 ? _fixedLength
            : random.Next(20) == 0 ? random.Next(Math.Min(2 * Codec.MaxFrameLength, 6000))
            : random.Next(Math.Min(Codec.MaxFrameLength + 3, 24));
        return CreateBytes(random, length);
    }

    /// <summary>Valid frames, some of them damaged, and garbage.</summary>
    public byte[] CreateStream(Random random, int pieces)
    {
        var stream = new List<byte>();
        var output = new System.Buffers.ArrayBufferWriter<byte>();
        for (var i = 0; i < pieces; i++)
        {
            output.ResetWrittenCount();
            try
            {
                Codec.Encode(output, CreateContent(random));
            }
            catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
            {
                output.ResetWrittenCount();
                System.Buffers.BuffersExtensions.Write(output, CreateBytes(random, random.Next(30)));
            }

            byte[] piece = [.. output.WrittenSpan];
            if (piece.Length > 0 && random.Next(12) == 0)
            {
                piece[random.Next(Math.Min(piece.Length, 10))] ^= (byte)(1 << random.Next(8));
            }

            if (random.Next(25) == 0)
            {
                piece = piece[..random.Next(piece.Length + 1)];
            }

            stream.AddRange(piece);
        }

        return [.. stream];
    }

    public byte[] CreateBytes(Random random, int length)
    {
        var bytes = new byte[length];
        for (var i = 0; i < length; i++)
        {
            bytes[i] = random.Next(3) == 0 ? (byte)random.Next(256) : _alphabet[random.Next(_alphabet.Length)];
        }

        return bytes;
    }

    private static CodecSpec Line(Random random, int max)
    {
        var ending = random.Next(2) == 0 ? LineEnding.Lf : LineEnding.CrLf;
        var keep = random.Next(3) == 0;
        return new(
            $"Line({max}, {ending}, keepDelimiter: {keep})",
            FrameCodec.Line(max, ending, keep),
            Reference.Delimited(["\r\n"u8.ToArray(), "\n"u8.ToArray()], keep),
            2,
            [.. "ab\r\r\n"u8])
        {
            Wrap = frame => keep
                ? frame
                : [.. frame, .. ending == LineEnding.Lf && !frame.AsSpan().EndsWith("\r"u8) ? "\n"u8 : "\r\n"u8],
        };
    }

    private static CodecSpec StrictLine(Random random, int max)
    {
        var keep = random.Next(3) == 0;
        return new(
            $"Line({max}, StrictCrLf, keepDelimiter: {keep})",
            FrameCodec.Line(max, LineEnding.StrictCrLf, keep),
            Reference.Delimited(["\r\n"u8.ToArray()], keep),
            2,
            [.. "ab\r\r\n"u8])
        {
            Wrap = frame => keep ? frame : [.. frame, .. "\r\n"u8],
        };
    }

    private static CodecSpec Delimited(Random random, int max)
    {
        var keep = random.Next(3) == 0;
        while (true)
        {
            var delimiters = new byte[random.Next(1, 5)][];
            for (var i = 0; i < delimiters.Length; i++)
            {
                delimiters[i] = new byte[random.Next(1, 6)];
                for (var j = 0; j < delimiters[i].Length; j++)
                {
                    delimiters[i][j] = (byte)('a' + random.Next(3));
                }
            }

            try
            {
                return new(
                    $"Delimited({max}, {string.Join(' ', delimiters.Select(Encoding.ASCII.GetString))}, "
                        + $"keepDelimiter: {keep})",
                    FrameCodec.Delimited(max, delimiters, keep),
                    Reference.Delimited(delimiters, keep),
                    5,
                    [.. "aabbccd"u8])
                {
                    Wrap = frame => keep ? frame : [.. frame, .. delimiters[0]],
                };
            }
            catch (ArgumentException)
            {
                // Ambiguous: another set.
            }
        }
    }

    private static CodecSpec LengthPrefixed(Random random, int max)
    {
        var size = CreateSize(random);
        var order = (ByteOrder)random.Next(2);
        var includes = random.Next(2) == 0;
        return new(
            $"LengthPrefixed({max}, {size}, {order}, lengthIncludesPrefix: {includes})",
            FrameCodec.LengthPrefixed(max, size, order, includes),
            Reference.LengthField(0, size, includes ? -size : 0, size, size, order),
            size,
            [0, 0, 0, 1, 2, 4, 9, 0x7F, 0x80, 0xFF]);
    }

    private static CodecSpec LengthField(Random random, int max)
    {
        while (true)
        {
            var size = CreateSize(random);
            var order = (ByteOrder)random.Next(2);
            var offset = random.Next(2) == 0 ? 0 : random.Next(10);
            var adjustment = random.Next(3) switch
            {
                0 => 0,
                1 => random.Next(-12, 12),
                _ => random.Next(50) == 0 ? int.MinValue : -(offset + size),
            };
            var strip = random.Next(2) == 0 ? 0 : random.Next(offset + size + 3);
            try
            {
                return new(
                    $"LengthField({max}, {offset}, {size}, {adjustment}, {strip}, {order})",
                    FrameCodec.LengthField(max, offset, size, adjustment, strip, order),
                    Reference.LengthField(offset, size, adjustment, strip, 0, order),
                    0,
                    [0, 0, 0, 1, 2, 4, 9, 0x7F, 0x80, 0xFF])
                {
                    Mask = frame =>
                    {
                        var end = Math.Min(offset + size - strip, frame.Length);
                        for (var i = Math.Max(offset - strip, 0); i < end; i++)
                        {
                            frame[i] = 0;
                        }

                        return frame;
                    },
                };
            }
            catch (ArgumentOutOfRangeException)
            {
                max += 10;
            }
        }
    }

    private static int CreateSize(Random random)
    {
        int[] sizes = [1, 2, 3, 4, 8];
        return sizes[random.Next(sizes.Length)];
    }
}
