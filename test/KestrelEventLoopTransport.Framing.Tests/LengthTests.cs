using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Tests;

/// <summary>Lengths from the peer that are extreme, negative or near an overflow.</summary>
public sealed class LengthTests
{
    private static readonly FrameReaderOptions _discard = new() { OversizedFrame = OversizedFrameBehavior.Discard };

    [Theory]
    [InlineData("FFFFFFFFFFFFFFFF", FrameError.Corrupted)]
    [InlineData("8000000000000000", FrameError.Corrupted)]
    [InlineData("7FFFFFFFFFFFFFFF", FrameError.TooLong)]
    [InlineData("7FFFFFFFFFFFFFF0", FrameError.TooLong)]
    [InlineData("7FFFFFFF00000000", FrameError.TooLong)]
    [InlineData("0000000100000000", FrameError.TooLong)]
    [InlineData("0000000000000065", FrameError.TooLong)]
    public async Task Of_8_bytes(string prefix, FrameError error)
    {
        byte[] bytes = [.. Convert.FromHexString(prefix), 1, 2, 3];
        foreach (var includes in (bool[])[false, true])
        {
            var codec = FrameCodec.LengthPrefixed(100, 8, lengthIncludesPrefix: includes);
            if (includes && prefix.EndsWith("65", StringComparison.Ordinal))
            {
                continue;
            }

            await AssertFailsAsync(codec, new(), bytes, error);

            // Dropped until the end of the stream, which comes too early.
            await AssertFailsAsync(codec, _discard, bytes, error == FrameError.TooLong ? FrameError.Truncated : error);
        }

        if (!prefix.EndsWith("65", StringComparison.Ordinal))
        {
            var adjusted = FrameCodec.LengthField(
                int.MaxValue, 3, 8, int.MaxValue - 20, byteOrder: ByteOrder.LittleEndian);
            await AssertFailsAsync(adjusted, new(), [9, 9, 9, .. Convert.FromHexString(prefix).Reverse(), 1], error);
        }
    }

    [Theory]
    [InlineData("FFFFFFFF")]
    [InlineData("80000000")]
    public async Task Of_4_bytes_are_not_signed(string prefix)
        => await AssertFailsAsync(
            FrameCodec.LengthPrefixed(int.MaxValue, 4), new(), Convert.FromHexString(prefix), FrameError.TooLong);

    [Theory]
    [InlineData(1, "00")]
    [InlineData(2, "0001")]
    [InlineData(3, "000002")]
    [InlineData(4, "00000003")]
    [InlineData(8, "0000000000000007")]
    public async Task Less_than_the_prefix_they_include_are_corrupt(int size, string prefix)
        => await AssertFailsAsync(
            FrameCodec.LengthPrefixed(100, size, lengthIncludesPrefix: true),
            _discard,
            Convert.FromHexString(prefix),
            FrameError.Corrupted);

    [Theory]
    [InlineData("FFFFFFFF08")]
    [InlineData("8080808010")]
    [InlineData("8080808080")]
    [InlineData("FFFFFFFFFF")]
    public async Task Of_varints_beyond_31_bits_are_corrupt(string prefix)
        => await AssertFailsAsync(
            FrameCodec.Varint32(100), _discard, Convert.FromHexString(prefix), FrameError.Corrupted);

    [Fact]
    public async Task Of_varints_may_be_padded()
        => Assert.Equal(
            "frame 61\nframe \n0 bytes discarded",
            (await DecodeAsync(FrameCodec.Varint32(1), new(), [0x81, 0x80, 0x80, 0x80, 0, (byte)'a', 0x80, 0]))
                .ToString());

    [Theory]
    [InlineData(1, 255)]
    [InlineData(2, 65535)]
    [InlineData(1, 251, 4)]
    public void Larger_than_their_field_are_not_written(int size, int largest, int adjustment = 0)
    {
        var codec = FrameCodec.LengthField(1 << 20, 0, size, -adjustment, size);
        var output = new ArrayBufferWriter<byte>();
        codec.Encode(output, new byte[largest]);
        var written = output.WrittenCount;
        Assert.Throws<ArgumentException>(() => codec.Encode(output, new byte[largest + 1]));
        Assert.Equal(written, output.WrittenCount);
    }

    [Fact]
    public void In_a_header_are_filled_in()
    {
        var codec = FrameCodec.LengthField(100, lengthFieldOffset: 2, lengthFieldLength: 2, lengthAdjustment: 1);
        var output = new ArrayBufferWriter<byte>();
        codec.Encode(output, [0xCA, 0xFE, 0, 0, 7], [1, 2, 3]);
        Assert.Equal("CAFE000307010203", Convert.ToHexString(output.WrittenSpan));
        Assert.Throws<ArgumentException>(() => codec.Encode(output, [0xCA, 0xFE, 0]));
        Assert.Equal(8, output.WrittenCount);
    }

    [Fact]
    public void Beside_stripped_bytes_are_not_written()
    {
        var output = new ArrayBufferWriter<byte>();
        Assert.Throws<NotSupportedException>(() => FrameCodec.LengthField(100, 2, 2, 0, 4).Encode(output, [1]));
        Assert.Throws<NotSupportedException>(() => FrameCodec.LengthField(100, 0, 2, 1, 3).Encode(output, [1]));
        Assert.Equal(0, output.WrittenCount);
    }

    private static async Task AssertFailsAsync(
        FrameCodec codec, FrameReaderOptions options, byte[] bytes, FrameError error)
        => Assert.StartsWith(
            $"error {error}",
            (await DecodeAsync(codec, options, bytes)).ToString().Replace("discarded\n", "", StringComparison.Ordinal),
            StringComparison.Ordinal);

    private static async Task<Decoding> DecodeAsync(FrameCodec codec, FrameReaderOptions options, byte[] bytes)
    {
        Decoding? first = null;
        foreach (var chunking in Chunking.AllOf(bytes.Length))
        {
            var decoding = await Decoding.RunAsync(codec, options, bytes, chunking);
            first ??= decoding;
            Assert.Equal(first.ToString(), decoding.ToString());
        }

        return first!;
    }
}
