using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Tests.Infrastructure;

/// <summary>
/// What came of decoding a stream: frames in hexadecimal, "discarded" for each dropped one, and an error at the end,
/// one a line.
/// </summary>
/// <param name="mask">Which bytes of a frame do not matter: it makes them zero.</param>
internal sealed class Decoding(Func<byte[], byte[]>? mask = null)
{
    private readonly List<string> _events = [];
    private long _discarded;

    public long MostKept { get; private set; }

    public long DiscardedBytes { get; set; }

    public static async Task<Decoding> RunAsync(
        FrameCodec codec,
        FrameReaderOptions options,
        byte[] bytes,
        Chunking chunking,
        Func<byte[], byte[]>? mask = null)
    {
        var input = chunking.CreateInput(bytes);
        var reader = new FrameReader(input, codec, options);
        var decoding = new Decoding(mask);
        try
        {
            await decoding.ReadAsync(reader, chunking.Style);
        }
        catch (FrameException exception)
        {
            decoding.AddDiscarded(reader.DiscardedFrames);
            decoding.AddError(exception.Error);
            Assert.Same(
                exception, await Assert.ThrowsAsync<FrameException>(async () => await reader.WaitToReadAsync()));
            Assert.Same(exception, Assert.Throws<FrameException>(() => reader.TryRead(out _)));
        }

        decoding.AddDiscarded(reader.DiscardedFrames);
        decoding.DiscardedBytes = reader.DiscardedBytes;
        decoding.MostKept = input.MostKept;
        return decoding;
    }

    public void AddFrame(ReadOnlySpan<byte> frame)
        => _events.Add($"frame {Convert.ToHexString(mask is null ? frame : mask(frame.ToArray()))}");

    public void AddError(FrameError error) => _events.Add($"error {error}");

    public void AddDiscarded() => AddDiscarded(_discarded + 1);

    public override string ToString() => string.Join('\n', [.. _events, $"{DiscardedBytes} bytes discarded"]);

    private void AddDiscarded(long count)
    {
        for (; _discarded < count; _discarded++)
        {
            _events.Add("discarded");
        }
    }

    private void AddFrame(FrameReader reader, in ReadOnlySequence<byte> frame)
    {
        AddDiscarded(reader.DiscardedFrames);
        AddFrame(frame.ToArray());
        Assert.True(frame.IsEmpty || !frame.FirstSpan.IsEmpty, "The frame begins with an empty segment.");
    }

    private async Task ReadAsync(FrameReader reader, ReadingStyle style)
    {
        if (style == ReadingStyle.Enumerate)
        {
            await foreach (var frame in reader)
            {
                AddFrame(reader, frame);
            }

            return;
        }

        while (await reader.WaitToReadAsync())
        {
            Assert.True(await reader.WaitToReadAsync());
            Assert.True(reader.TryRead(out var frame));
            AddFrame(reader, frame);
            while (style == ReadingStyle.Batches && reader.TryRead(out frame))
            {
                AddFrame(reader, frame);
            }

            if (style == ReadingStyle.Release)
            {
                reader.Release();
            }
        }

        Assert.False(reader.TryRead(out _));
    }
}
