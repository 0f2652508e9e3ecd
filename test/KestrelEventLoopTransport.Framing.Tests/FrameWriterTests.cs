using System.Buffers;
using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Framing.Tests;

public sealed class FrameWriterTests
{
    private readonly Pipe _pipe = new(new PipeOptions(pauseWriterThreshold: 0));

    [Fact]
    public async Task Frames_leave_with_the_flush()
    {
        var writer = new FrameWriter(_pipe.Writer, FrameCodec.Line(100, LineEnding.CrLf));
        writer.Write("a"u8);
        writer.Write("b"u8, "c"u8);
        writer.Write(Segment.CreateSequence("def"u8, 1, out _));
        Assert.False(_pipe.Reader.TryRead(out _));

        await writer.FlushAsync();

        Assert.True(_pipe.Reader.TryRead(out var result));
        Assert.Equal("a\r\nbc\r\ndef\r\n"u8, result.Buffer.ToArray());
    }

    [Fact]
    public async Task The_writer_tells_what_was_not_flushed()
    {
        var writer = new FrameWriter(_pipe.Writer, FrameCodec.Line(100));
        writer.Write("abc"u8);
        writer.Codec = FrameCodec.LengthPrefixed(100, prefixSize: 2);
        writer.Write("abc"u8);
        Assert.Equal("abc\n\0\u0003abc".Length, writer.UnflushedBytes);
        await writer.FlushAsync();
        Assert.Equal(0, writer.UnflushedBytes);
        Assert.True(_pipe.Reader.TryRead(out var result));
        Assert.Equal("abc\n\0\u0003abc"u8, result.Buffer.ToArray());
    }

    [Fact]
    public async Task WriteAsync_flushes()
    {
        var writer = new FrameWriter(_pipe.Writer, FrameCodec.LengthPrefixed(100, prefixSize: 2));
        var flush = await writer.WriteAsync("a"u8.ToArray());
        Assert.False(flush.IsCompleted);
        Assert.True(_pipe.Reader.TryRead(out var result));
        Assert.Equal("\0\u0001a"u8, result.Buffer.ToArray());
        await _pipe.Reader.CompleteAsync();
        flush = await writer.WriteAsync("a"u8.ToArray());
        Assert.True(flush.IsCompleted);
    }

    [Theory]
    [InlineData(1023)]
    [InlineData(1024)]
    [InlineData(1025)]
    [InlineData(4095)]
    [InlineData(4096)]
    [InlineData(100_000)]
    public async Task Frames_of_any_size_come_back(int size)
    {
        var content = new byte[size];
        new Random(size).NextBytes(content);
        FrameCodec[] codecs =
        [
            FrameCodec.FixedLength(size),
            FrameCodec.LengthPrefixed(size, 3, ByteOrder.LittleEndian),
            FrameCodec.LengthPrefixed(size, 8, lengthIncludesPrefix: true),
            FrameCodec.Varint32(size),
            FrameCodec.Delimited(size, "a delimiter that is not in random bytes"u8),
        ];
        foreach (var codec in codecs)
        {
            var writer = new FrameWriter(_pipe.Writer, codec);
            writer.Write(content);
            writer.Write(content.AsSpan(0, size / 3), content.AsSpan(size / 3));
            writer.Write(Segment.CreateSequence(content, 1000, out _));
            await writer.FlushAsync();

            var reader = new FrameReader(_pipe.Reader, codec);
            for (var i = 0; i < 3; i++)
            {
                Assert.True(await reader.WaitToReadAsync());
                Assert.True(reader.TryRead(out var frame));
                Assert.Equal(content, frame.ToArray());
            }

            Assert.False(reader.TryRead(out _));
        }
    }

    [Theory]
    [InlineData(4, 5)]
    [InlineData(4, 3)]
    public void The_wrong_fixed_length_is_refused(int length, int size)
        => Assert.Throws<ArgumentException>(() => FrameCodec.FixedLength(length).Encode(_pipe.Writer, new byte[size]));

    [Fact]
    public void A_frame_longer_than_the_maximum_is_refused()
    {
        FrameCodec[] codecs =
        [
            FrameCodec.Line(10),
            FrameCodec.Line(10, LineEnding.StrictCrLf),
            FrameCodec.LengthPrefixed(10),
            FrameCodec.Varint32(10),
            FrameCodec.LengthField(14, 0, 4, 0, 4),
            new NetstringCodec(10),
        ];
        foreach (var codec in codecs)
        {
            var output = new ArrayBufferWriter<byte>();
            Assert.Throws<ArgumentException>(() => codec.Encode(output, new byte[11]));
            Assert.Equal(0, output.WrittenCount);
        }
    }

    /// <summary>LF alone would swallow it.</summary>
    [Fact]
    public void A_line_that_ends_with_CR_gets_both()
    {
        var output = new ArrayBufferWriter<byte>();
        FrameCodec.Line(10).Encode(output, "a\r"u8);
        Assert.Equal("a\r\r\n"u8, output.WrittenSpan);
    }

    [Theory]
    [InlineData("a\nb", false)]
    [InlineData("a\r\nb", false)]
    [InlineData("a\rb", true)]
    public void A_line_within_a_line_is_refused(string frame, bool isAllowed)
    {
        var exception = Record.Exception(
            () => FrameCodec.Line(10).Encode(_pipe.Writer, System.Text.Encoding.ASCII.GetBytes(frame)));
        Assert.Equal(isAllowed, exception is null);
        Assert.True(isAllowed || exception is ArgumentException);
    }
}
