using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Tests;

/// <summary>How a reader uses its codec, which may be the application's and may change.</summary>
public sealed class FrameReaderCodecTests : ReaderOverPipe
{
    [Fact]
    public async Task A_custom_codec_is_asked_again_only_when_there_is_enough()
    {
        var codec = new CountingCodec();
        var reader = new FrameReader(Pipe.Reader, codec);
        for (var i = 0; i < 10; i++)
        {
            await WriteAsync("x");
            Assert.Equal(i == 9, reader.TryRead(out _));
        }

        Assert.Equal(2, codec.Scans);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Another_codec_reads_what_is_behind_the_last_frame(bool waits)
    {
        var reader = CreateReader();
        await WriteAsync("line\nabcd\n\u0002xy");
        Assert.True(reader.TryRead(out var frame));
        Assert.Equal("line", Text(frame));
        if (waits)
        {
            // The next frame is found by the old codec already.
            Assert.True(await reader.WaitToReadAsync().AsTask().DefaultTimeout());
        }

        reader.Codec = FrameCodec.FixedLength(5);
        Assert.True(reader.TryRead(out frame));
        Assert.Equal("abcd\n", Text(frame));
        reader.Codec = FrameCodec.LengthPrefixed(10, 1);
        Assert.True(reader.TryRead(out frame));
        Assert.Equal("xy", Text(frame));
        Assert.False(reader.TryRead(out _));
    }

    [Fact]
    public async Task A_codec_that_throws_is_named_and_the_error_stays()
    {
        var reader = new FrameReader(Pipe.Reader, new ThrowingCodec());
        await WriteAsync("a");
        var exception = await Assert.ThrowsAsync<InvalidOperationException>(() => reader.WaitToReadAsync().AsTask());
        Assert.Contains("ThrowingCodec.Scan", exception.Message, StringComparison.Ordinal);
        Assert.IsType<FormatException>(exception.InnerException);
        Assert.Same(exception, Assert.Throws<InvalidOperationException>(() => reader.TryRead(out _)));
    }

    private sealed class ThrowingCodec() : CustomFrameCodec(100)
    {
        protected override FrameScanResult Scan(ReadOnlySequence<byte> bytes, ref FrameScanState state)
            => throw new FormatException("on purpose");

        protected override void Encode(FramePayload frame, IBufferWriter<byte> output) => frame.WriteTo(output);
    }

    private sealed class CountingCodec() : CustomFrameCodec(100)
    {
        public int Scans { get; private set; }

        protected override FrameScanResult Scan(ReadOnlySequence<byte> bytes, ref FrameScanState state)
        {
            Assert.Equal(Scans, state.State);
            state.State++;
            Scans++;
            return bytes.Length < 10 ? FrameScanResult.AtLeast(10) : FrameScanResult.Frame(10);
        }

        protected override void Encode(FramePayload frame, IBufferWriter<byte> output) => frame.WriteTo(output);
    }
}
