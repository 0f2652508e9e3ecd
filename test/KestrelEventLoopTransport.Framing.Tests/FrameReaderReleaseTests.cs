using System.Buffers;

namespace KestrelEventLoopTransport.Framing.Tests;

/// <summary>A reader gives the pipe back, and goes on later.</summary>
public sealed class FrameReaderReleaseTests : ReaderOverPipe
{
    /// <summary>As in protocols with a line of text before binary data.</summary>
    [Fact]
    public async Task Release_lets_another_codec_go_on()
    {
        var lines = CreateReader();
        await WriteAsync("data\n\u0003abcnext\n");
        Assert.True(await lines.WaitToReadAsync().AsTask().DefaultTimeout());
        Assert.True(lines.TryRead(out var frame));
        Assert.Equal("data", Text(frame));
        lines.Release();

        var lengths = new FrameReader(Pipe.Reader, FrameCodec.LengthPrefixed(10, prefixSize: 1));
        Assert.True(await lengths.WaitToReadAsync().AsTask().DefaultTimeout());
        Assert.True(lengths.TryRead(out frame));
        Assert.Equal("abc", Text(frame));
        lengths.Release();

        Assert.True(await lines.WaitToReadAsync().AsTask().DefaultTimeout());
        Assert.True(lines.TryRead(out frame));
        Assert.Equal("next", Text(frame));
    }

    [Fact]
    public async Task Release_gives_back_a_frame_that_was_not_taken()
    {
        var reader = CreateReader();
        await WriteAsync("a");
        Assert.False(reader.TryRead(out _));
        await WriteAsync("b\n");
        Assert.True(await reader.WaitToReadAsync().AsTask().DefaultTimeout());

        reader.Release();
        reader.Release();

        var result = await Pipe.Reader.ReadAsync().AsTask().DefaultTimeout();
        Assert.Equal("ab\n", Text(result.Buffer));
        Pipe.Reader.AdvanceTo(result.Buffer.Start);
    }

    [Theory]
    [InlineData("c\n", "x\ny\n")]
    [InlineData("c\n", "x", "\n")]
    public async Task Release_forgets_an_incomplete_frame_that_others_consume(string others, params string[] next)
    {
        var reader = CreateReader();
        await WriteAsync("ab");
        Assert.False(reader.TryRead(out _));
        reader.Release();
        await WriteAsync(others);
        var result = await Pipe.Reader.ReadAsync().AsTask().DefaultTimeout();
        Assert.Equal("ab" + others, Text(result.Buffer));
        Pipe.Reader.AdvanceTo(result.Buffer.End);

        ReadOnlySequence<byte> frame = default;
        foreach (var text in next)
        {
            await WriteAsync(text);
            reader.TryRead(out frame);
        }

        Assert.Equal("x", Text(frame));
    }

    [Fact]
    public async Task Release_examines_no_more_than_there_is_after_others_have_consumed()
    {
        var reader = CreateReader();
        await WriteAsync("data");
        Assert.False(reader.TryRead(out _));
        await WriteAsync("\n");
        Assert.True(await reader.WaitToReadAsync().AsTask().DefaultTimeout());
        reader.Release();
        var result = await Pipe.Reader.ReadAsync().AsTask().DefaultTimeout();
        Pipe.Reader.AdvanceTo(result.Buffer.End);

        await WriteAsync("x\ny");
        Assert.True(await reader.WaitToReadAsync().AsTask().DefaultTimeout());
        Assert.True(reader.TryRead(out var frame));
        Assert.Equal("x", Text(frame));
        reader.Release();
        Assert.True(Pipe.Reader.TryRead(out result));
        Assert.Equal("y", Text(result.Buffer));
        Pipe.Reader.AdvanceTo(result.Buffer.End);
    }

    [Fact]
    public async Task Release_passes_a_cancellation_on()
    {
        var reader = CreateReader();
        await WriteAsync("a\nb");
        Pipe.Reader.CancelPendingRead();
        Assert.True(await reader.WaitToReadAsync().AsTask().DefaultTimeout());
        Assert.True(reader.TryRead(out _));
        reader.Release();

        var result = await Pipe.Reader.ReadAsync().AsTask().DefaultTimeout();
        Assert.True(result.IsCanceled);
        Pipe.Reader.AdvanceTo(result.Buffer.Start);
    }

    [Fact]
    public async Task Release_passes_a_cancellation_on_when_nothing_has_arrived()
    {
        var reader = CreateReader();
        Pipe.Reader.CancelPendingRead();
        Assert.False(reader.TryRead(out _));
        reader.Release();

        var result = await Pipe.Reader.ReadAsync().AsTask().DefaultTimeout();
        Assert.True(result.IsCanceled);
        Pipe.Reader.AdvanceTo(result.Buffer.Start);
    }
}
