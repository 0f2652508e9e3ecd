using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Framing.Tests;

/// <summary>
/// Through a real pipe with back-pressure. The pipe counts what was not examined yet, so it does not stop a peer whose
/// frame never ends: the reader must.
/// </summary>
public sealed class MemoryBoundTests : IDisposable
{
    private const int Total = 64 * 1024 * 1024;
    private const int PauseThreshold = 64 * 1024;

    // The pipe's own: what is written beyond its threshold with one write, and partly used blocks.
    private const int Slack = PauseThreshold + (4 * WriteSize);
    private const int WriteSize = 16 * 1024;

    private readonly CountingPool _pool = new();

    public static TheoryData<CodecKind> EndlessKinds =>
        [CodecKind.Line, CodecKind.StrictLine, CodecKind.Delimited, CodecKind.LengthPrefixed, CodecKind.LengthField];

    public void Dispose() => _pool.Dispose();

    [Theory]
    [MemberData(nameof(EndlessKinds))]
    public async Task An_endless_frame_is_dropped_as_it_arrives(CodecKind kind)
    {
        var (codec, start) = CreateEndless(kind);
        var options = new FrameReaderOptions { OversizedFrame = OversizedFrameBehavior.Discard, AllowTruncated = true };
        var reader = await RunAsync(codec, options, start, Total);

        Assert.Equal(1, reader.DiscardedFrames);
        Assert.Equal(Total + start.Length, reader.DiscardedBytes);
        AssertBounded(codec.MaxFrameLength);
    }

    [Theory]
    [MemberData(nameof(EndlessKinds))]
    public async Task An_endless_frame_is_an_error_early(CodecKind kind)
    {
        var (codec, start) = CreateEndless(kind);

        var exception = await Assert.ThrowsAsync<FrameException>(() => RunAsync(codec, new(), start, Total));

        Assert.Equal(FrameError.TooLong, exception.Error);
        AssertBounded(codec.MaxFrameLength);
    }

    [Fact]
    public async Task A_length_of_8_bytes_FF_is_corrupt()
    {
        var codec = FrameCodec.LengthPrefixed(1000, prefixSize: 8);
        var options = new FrameReaderOptions { OversizedFrame = OversizedFrameBehavior.Discard };

        var exception = await Assert.ThrowsAsync<FrameException>(
            () => RunAsync(codec, options, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], Total));

        Assert.Equal(FrameError.Corrupted, exception.Error);
        AssertBounded(codec.MaxFrameLength);
    }

    /// <summary>A frame larger than the pipe's threshold must not leave both sides waiting.</summary>
    [Theory]
    [InlineData(CodecKind.Line)]
    [InlineData(CodecKind.LengthPrefixed)]
    public async Task A_frame_as_long_as_allowed_gets_through_and_no_more_is_buffered(CodecKind kind)
    {
        const int Length = 1024 * 1024;
        byte[] start = kind == CodecKind.LengthPrefixed ? [0, 0x10, 0, 0] : [];
        byte[] end = kind == CodecKind.LengthPrefixed ? [] : [(byte)'\n'];
        var codec = kind == CodecKind.LengthPrefixed ? FrameCodec.LengthPrefixed(Length) : FrameCodec.Line(Length);
        byte[] bytes = [.. start, .. Enumerable.Repeat((byte)'x', Length), .. end];
        var pipe = CreatePipe();
        var reader = new FrameReader(pipe.Reader, codec);
        var write = Task.Run(async () =>
        {
            for (var i = 0; i < 5; i++)
            {
                await WriteAsync(pipe.Writer, bytes);
            }

            await pipe.Writer.CompleteAsync();
        });

        var count = 0;
        while (await reader.WaitToReadAsync().AsTask().DefaultTimeout())
        {
            while (reader.TryRead(out var frame))
            {
                Assert.Equal(Length, frame.Length);
                count++;
            }
        }

        await write.DefaultTimeout();
        Assert.Equal(5, count);
        AssertBounded(Length);
    }

    private static (FrameCodec Codec, byte[] Start) CreateEndless(CodecKind kind) => kind switch
    {
        CodecKind.Line => (FrameCodec.Line(1000), []),
        CodecKind.StrictLine => (FrameCodec.Line(1000, LineEnding.StrictCrLf), []),
        CodecKind.Delimited => (FrameCodec.Delimited(1000, ["xxxxxy"u8.ToArray(), "xz"u8.ToArray()]), []),
        CodecKind.LengthPrefixed =>
            (FrameCodec.LengthPrefixed(1000, 8), [0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
        CodecKind.LengthField => (FrameCodec.LengthField(1000, 0, 8), [0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00]),
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    private async Task<FrameReader> RunAsync(FrameCodec codec, FrameReaderOptions options, byte[] start, int count)
    {
        var pipe = CreatePipe();
        var reader = new FrameReader(pipe.Reader, codec, options);
        var write = Task.Run(async () =>
        {
            await WriteAsync(pipe.Writer, start);
            var bytes = Enumerable.Repeat((byte)'x', WriteSize).ToArray();
            for (var i = 0; i < count && await WriteAsync(pipe.Writer, bytes); i += bytes.Length)
            {
            }

            await pipe.Writer.CompleteAsync();
        });
        try
        {
            Assert.False(await reader.WaitToReadAsync().AsTask().DefaultTimeout());
        }
        finally
        {
            await pipe.Reader.CompleteAsync();
            await write.DefaultTimeout();
        }

        return reader;
    }

    private Pipe CreatePipe()
        => new(new PipeOptions(_pool, pauseWriterThreshold: PauseThreshold, resumeWriterThreshold: PauseThreshold / 2));

    private static async Task<bool> WriteAsync(PipeWriter writer, byte[] bytes)
    {
        for (var i = 0; i < bytes.Length; i += WriteSize)
        {
            var flush = await writer.WriteAsync(bytes.AsMemory(i, Math.Min(WriteSize, bytes.Length - i)));
            if (flush.IsCompleted)
            {
                return false;
            }
        }

        return true;
    }

    private void AssertBounded(int maxFrameLength)
        => Assert.True(_pool.MostBytes <= maxFrameLength + Slack, $"{_pool.MostBytes} bytes at most.");
}
