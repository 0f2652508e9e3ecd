using System.Buffers;
using System.IO.Pipelines;
using System.Text;

namespace KestrelEventLoopTransport.Framing.Tests;

public sealed class FrameReaderTests : ReaderOverPipe
{
    [Fact]
    public async Task TryRead_gives_what_has_arrived()
    {
        var reader = CreateReader();
        Assert.False(reader.TryRead(out _));

        await WriteAsync("a\nb\nc");

        Assert.True(reader.TryRead(out var frame));
        Assert.Equal("a", Text(frame));
        Assert.True(reader.TryRead(out frame));
        Assert.Equal("b", Text(frame));
        Assert.False(reader.TryRead(out _));

        await WriteAsync("d\n");
        Assert.True(reader.TryRead(out frame));
        Assert.Equal("cd", Text(frame));
    }

    /// <summary>So that a loop over TryRead ends, however fast the peer sends.</summary>
    [Fact]
    public async Task TryRead_ends_with_the_batch()
    {
        var reader = CreateReader();
        await WriteAsync("a\n");
        Assert.True(await reader.WaitToReadAsync().AsTask().DefaultTimeout());
        await WriteAsync("b\n");

        Assert.True(reader.TryRead(out var frame));
        Assert.Equal("a", Text(frame));
        Assert.False(reader.TryRead(out _));
        Assert.True(reader.TryRead(out frame));
        Assert.Equal("b", Text(frame));
    }

    [Fact]
    public async Task WaitToReadAsync_takes_nothing()
    {
        var reader = CreateReader();
        await WriteAsync("a\n\n");
        Assert.True(await reader.WaitToReadAsync().AsTask().DefaultTimeout());
        Assert.True(await reader.WaitToReadAsync().AsTask().DefaultTimeout());
        Assert.True(reader.TryRead(out var frame));
        Assert.Equal("a", Text(frame));
        Assert.True(await reader.WaitToReadAsync().AsTask().DefaultTimeout());
        Assert.True(reader.TryRead(out frame));
        Assert.True(frame.IsEmpty);
    }

    [Fact]
    public async Task Frames_before_an_error_are_delivered_and_the_error_stays()
    {
        var reader = CreateReader(max: 3);
        await WriteAsync("a\ntoo long\nb\n");
        Assert.True(reader.TryRead(out var frame));
        Assert.Equal("a", Text(frame));

        var exception = Assert.Throws<FrameException>(() => reader.TryRead(out _));

        Assert.Equal(FrameError.TooLong, exception.Error);
        Assert.Same(exception, Assert.Throws<FrameException>(() => reader.TryRead(out _)));
        Assert.Same(exception, await Assert.ThrowsAsync<FrameException>(
            async () => await reader.WaitToReadAsync().AsTask().DefaultTimeout()));
        Assert.Same(
            exception,
            await Assert.ThrowsAsync<FrameException>(async () => await reader.GetAsyncEnumerator().MoveNextAsync()));
    }

    [Fact]
    public async Task An_error_does_not_leave_WaitToReadAsync_at_once_but_through_its_task()
    {
        var reader = CreateReader(max: 3);
        await WriteAsync("a\ntoo long\n");
        Assert.True(reader.TryRead(out _));
        var wait = reader.WaitToReadAsync();
        Assert.True(wait.IsFaulted);
        await Assert.ThrowsAsync<FrameException>(async () => await wait);
    }

    [Fact]
    public async Task A_long_line_fails_before_it_ends()
    {
        var reader = CreateReader(max: 3);
        await WriteAsync("abcd");
        Assert.Equal(FrameError.TooLong, Assert.Throws<FrameException>(() => reader.TryRead(out _)).Error);
    }

    [Fact]
    public async Task The_end_inside_a_frame_is_an_error()
    {
        var reader = CreateReader();
        await WriteAsync("a\nb");
        await Pipe.Writer.CompleteAsync();
        Assert.True(await reader.WaitToReadAsync().AsTask().DefaultTimeout());
        Assert.True(reader.TryRead(out _));
        var exception = await Assert.ThrowsAsync<FrameException>(
            async () => await reader.WaitToReadAsync().AsTask().DefaultTimeout());
        Assert.Equal(FrameError.Truncated, exception.Error);
    }

    [Fact]
    public async Task The_end_between_frames_is_the_end()
    {
        var reader = CreateReader();
        await WriteAsync("a\n");
        await Pipe.Writer.CompleteAsync();
        Assert.True(await reader.WaitToReadAsync().AsTask().DefaultTimeout());
        Assert.True(reader.TryRead(out _));
        Assert.False(reader.TryRead(out _));
        Assert.False(await reader.WaitToReadAsync().AsTask().DefaultTimeout());
        Assert.False(reader.TryRead(out _));
        await foreach (var _ in reader)
        {
            Assert.Fail("A frame after the end.");
        }
    }

    [Fact]
    public async Task The_PipeReaders_exception_passes_through()
    {
        var reader = CreateReader();
        var wait = reader.WaitToReadAsync();
        await Pipe.Writer.CompleteAsync(new InvalidDataException());
        await Assert.ThrowsAsync<InvalidDataException>(async () => await wait);
    }

    [Fact]
    public async Task A_cancelled_wait_loses_nothing()
    {
        var reader = CreateReader();
        await WriteAsync("a");
        using var cancellation = new CancellationTokenSource();
        var wait = reader.WaitToReadAsync(cancellation.Token).AsTask();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait.DefaultTimeout());

        await WriteAsync("b\n");
        Assert.True(await reader.WaitToReadAsync().AsTask().DefaultTimeout());
        Assert.True(reader.TryRead(out var frame));
        Assert.Equal("ab", Text(frame));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task CancelPendingRead_ends_one_wait_and_loses_nothing(bool isWaiting)
    {
        var reader = CreateReader();
        await WriteAsync("a");
        var wait = isWaiting ? reader.WaitToReadAsync().AsTask() : null;
        Pipe.Reader.CancelPendingRead();
        wait ??= reader.WaitToReadAsync().AsTask();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait.DefaultTimeout());

        await WriteAsync("b\n");
        Assert.True(await reader.WaitToReadAsync().AsTask().DefaultTimeout());
        Assert.True(reader.TryRead(out var frame));
        Assert.Equal("ab", Text(frame));
    }

    [Fact]
    public async Task A_cancellation_seen_by_TryRead_ends_the_next_wait()
    {
        var reader = CreateReader();
        Pipe.Reader.CancelPendingRead();
        Assert.False(reader.TryRead(out _));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => reader.WaitToReadAsync().AsTask().DefaultTimeout());
        await WriteAsync("a\n");
        Assert.True(await reader.WaitToReadAsync().AsTask().DefaultTimeout());
    }

    [Fact]
    public async Task Enumerating_goes_on_after_a_break()
    {
        var reader = CreateReader();
        await WriteAsync("a\nb\n");
        await foreach (var frame in reader)
        {
            Assert.Equal("a", Text(frame));
            break;
        }

        await foreach (var frame in (IAsyncEnumerable<ReadOnlySequence<byte>>)reader)
        {
            Assert.Equal("b", Text(frame));
            break;
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Works_on_a_reader_over_memory_that_is_not_in_segments(bool isOwned)
    {
        var bytes = "xa\nbc\r\n\nx"u8.ToArray();
        using var owner = new ArrayOwner(bytes);
        var memory = isOwned ? owner.Memory : bytes;
        var input = PipeReader.Create(new ReadOnlySequence<byte>(memory[1..^1]));
        var frames = new List<string>();
        await foreach (var frame in new FrameReader(input, FrameCodec.Line(10)))
        {
            frames.Add(Text(frame));
        }

        Assert.Equal(["a", "bc", ""], frames);
    }

    [Fact]
    public async Task Works_on_a_reader_over_a_stream()
    {
        var bytes = new byte[300_000];
        new Random(1).NextBytes(bytes);
        var input = PipeReader.Create(
            new MemoryStream(bytes), new StreamPipeReaderOptions(bufferSize: 100, minimumReadSize: 7));
        var read = new MemoryStream();
        await foreach (var frame in new FrameReader(input, FrameCodec.FixedLength(1000)))
        {
            read.Write(frame.ToArray());
        }

        Assert.Equal(bytes, read.ToArray());
    }

    [Theory]
    [InlineData("hello\nworld", "hello", "world")]
    [InlineData("hello\nworld\r", "hello", "world\r")]
    [InlineData("hello\n", "hello")]
    [InlineData("")]
    public async Task The_last_line_may_come_without_its_end(string sent, params string[] expected)
    {
        var reader = new FrameReader(Pipe.Reader, FrameCodec.Line(100), new() { DeliverTruncated = true });
        await WriteAsync(sent);
        await Pipe.Writer.CompleteAsync();
        var lines = new List<string>();
        await foreach (var frame in reader)
        {
            lines.Add(Text(frame));
        }

        Assert.Equal(expected, lines);
    }

    [Fact]
    public async Task A_frame_with_a_length_is_never_delivered_incomplete()
    {
        var reader = new FrameReader(
            Pipe.Reader, FrameCodec.LengthPrefixed(100, 1), new() { DeliverTruncated = true });
        await WriteAsync("\u0005abc");
        await Pipe.Writer.CompleteAsync();
        var exception = await Assert.ThrowsAsync<FrameException>(() => reader.WaitToReadAsync().AsTask());
        Assert.Equal(FrameError.Truncated, exception.Error);
    }

    [Theory]
    [InlineData("\u0080\0\0\0", "A frame has 2147483648 bytes; the codec's maximum is 16.")]
    [InlineData("\0\0\0\u0011", "A frame has 17 bytes; the codec's maximum is 16.")]
    public async Task The_error_has_the_length_of_what_is_too_long(string sent, string message)
    {
        var reader = new FrameReader(Pipe.Reader, FrameCodec.LengthPrefixed(16));
        await Pipe.Writer.WriteAsync(Encoding.Latin1.GetBytes(sent));
        Assert.Equal(
            message, (await Assert.ThrowsAsync<FrameException>(() => reader.WaitToReadAsync().AsTask())).Message);
    }

    private sealed class ArrayOwner(byte[] bytes) : MemoryManager<byte>
    {
        public override Span<byte> GetSpan() => bytes;

        public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

        public override void Unpin() => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
        }
    }
}
