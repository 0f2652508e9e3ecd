using System.Buffers;
using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Tests.Reading;

/// <summary>What System.IO.Pipelines promises of a reader; a plain Pipe passes every test, too.</summary>
[Trait("Contract", "26")]
public class PipeReaderTests : ReaderTests
{
    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task ReadAsync_waits_for_data(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var read = Reader.ReadAsync().AsTask();
        Assert.False(read.IsCompleted);

        await FeedAsync(Pattern.Create(100));

        var result = await read.DefaultTimeout();
        Assert.Equal(Pattern.Create(100), result.Buffer.ToArray());
        Assert.False(result.IsCompleted);
        Assert.False(result.IsCanceled);
        Reader.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task TryRead_is_false_while_there_is_nothing(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        Assert.False(Reader.TryRead(out _));

        await FeedAsync(Pattern.Create(10));
        ReadResult result = default;
        await Poll.UntilAsync(() => Reader.TryRead(out result));
        Assert.Equal(Pattern.Create(10), result.Buffer.ToArray());
        Reader.AdvanceTo(result.Buffer.End);
        Assert.False(Reader.TryRead(out _));

        await EndAsync();
        await Poll.UntilAsync(() => Reader.TryRead(out result));
        Assert.True(result.IsCompleted);
        Assert.True(result.Buffer.IsEmpty);
        Reader.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task ReadAsync_tells_the_end_that_TryRead_has_met(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        await EndAsync();
        ReadResult result = default;
        await Poll.UntilAsync(() => Reader.TryRead(out result));
        Reader.AdvanceTo(result.Buffer.End);

        result = await Reader.ReadAsync().DefaultTimeout();

        Assert.True(result.IsCompleted);
        Reader.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task What_comes_before_anybody_awaits_the_read_is_not_missed(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var read = Reader.ReadAsync();
        await FeedAsync(Pattern.Create(100));
        await Task.Delay(50);

        var result = await read.DefaultTimeout();
        Pattern.AssertMatches(result.Buffer.ToArray());
        Reader.AdvanceTo(result.Buffer.End);

        await OpenAsync(scheduling);
        var last = Reader.ReadAsync();
        await EndAsync();
        await Task.Delay(50);

        Assert.True((await last.DefaultTimeout()).IsCompleted);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Examined_before_the_end_returns_at_once_next_time(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var result = await FeedAndReadAsync(100);
        Reader.AdvanceTo(result.Buffer.GetPosition(10), result.Buffer.GetPosition(50));

        var read = Reader.ReadAsync();

        Assert.True(read.IsCompleted);
        result = await read;
        Assert.Equal(Pattern.Create(90, 0, 10), result.Buffer.ToArray());
        Reader.AdvanceTo(result.Buffer.Start, result.Buffer.Start);
        Assert.True(Reader.TryRead(out result));
        Assert.Equal(90, result.Buffer.Length);
        Reader.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Examined_to_the_end_waits_for_more_and_keeps_what_was_not_consumed(
        ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var result = await FeedAndReadAsync(100);
        Reader.AdvanceTo(result.Buffer.GetPosition(10), result.Buffer.End);

        var read = Reader.ReadAsync().AsTask();
        Assert.False(read.IsCompleted);
        await FeedAsync(Pattern.Create(20, 0, 100));

        result = await read.DefaultTimeout();
        Assert.Equal(Pattern.Create(110, 0, 10), result.Buffer.ToArray());
        Reader.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Examined_to_the_end_then_TryRead_is_false(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var result = await FeedAndReadAsync(100);
        Reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);

        Assert.False(Reader.TryRead(out _));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task The_end_is_seen_with_data_that_was_examined_but_not_consumed(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var result = await FeedAndReadAsync(100);
        Reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        await EndAsync();

        result = await Reader.ReadAsync().DefaultTimeout();

        Assert.True(result.IsCompleted);
        Assert.Equal(100, result.Buffer.Length);
        Reader.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Data_of_many_blocks_is_consumed_at_odd_places(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        const int Length = 150_000;
        var feed = FeedAsync(Pattern.Create(Length));
        var random = new Random(1);
        for (var position = 0; position < Length;)
        {
            var result = await Reader.ReadAsync().DefaultTimeout();
            var length = (int)result.Buffer.Length;
            Pattern.AssertMatches(result.Buffer.ToArray(), 0, position);
            var consumed = random.Next(length + 1);
            var examined = random.Next(consumed, length + 1);
            if (position + length == Length && examined == length)
            {
                consumed = length;
            }

            Reader.AdvanceTo(result.Buffer.GetPosition(consumed), result.Buffer.GetPosition(examined));
            position += consumed;
        }

        await feed.DefaultTimeout();
        Assert.False(Reader.TryRead(out _));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task ReadAtLeastAsync_gathers(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var read = Reader.ReadAtLeastAsync(10_000).AsTask();
        for (var i = 0; i < 10; i++)
        {
            Assert.False(read.IsCompleted);
            await FeedAsync(Pattern.Create(1000, 0, i * 1000));
        }

        var result = await read.DefaultTimeout();
        Assert.Equal(Pattern.Create(10_000), result.Buffer.ToArray());
        Reader.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task ReadAtLeastAsync_returns_less_at_the_end(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        await FeedAsync(Pattern.Create(10));
        await EndAsync();

        var result = await Reader.ReadAtLeastAsync(1000).DefaultTimeout();

        Assert.True(result.IsCompleted);
        Assert.Equal(10, result.Buffer.Length);
        Reader.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CopyToAsync_a_stream_until_the_end(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        using var target = new MemoryStream();
        var copy = Reader.CopyToAsync(target);
        await FeedAsync(Pattern.Create(300_000));
        await EndAsync();

        await copy.DefaultTimeout();

        Assert.Equal(Pattern.Create(300_000), target.ToArray());
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CopyToAsync_a_PipeWriter_until_the_end(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var target = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        var copy = Reader.CopyToAsync(target.Writer);
        await FeedAsync(Pattern.Create(300_000));
        await EndAsync();

        await copy.DefaultTimeout();

        var result = await target.Reader.ReadAtLeastAsync(300_000).DefaultTimeout();
        Assert.Equal(Pattern.Create(300_000), result.Buffer.ToArray());
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CopyToAsync_is_cancelled_by_its_token_and_reading_goes_on(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        using var target = new MemoryStream();
        using var cancellation = new CancellationTokenSource();
        var copy = Reader.CopyToAsync(target, cancellation.Token);
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => copy.DefaultTimeout());

        await FeedAsync(Pattern.Create(10));
        var result = await Reader.ReadAsync().DefaultTimeout();
        Assert.Equal(10, result.Buffer.Length);
        Reader.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task AsStream_reads(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var stream = Reader.AsStream(leaveOpen: true);
        var feed = FeedAsync(Pattern.Create(50_000));
        var bytes = new byte[50_000];

        await stream.ReadExactlyAsync(bytes).DefaultTimeout();

        await feed.DefaultTimeout();
        Pattern.AssertMatches(bytes);
        await stream.DisposeAsync();
        await EndAsync();
        var result = await Reader.ReadAsync().DefaultTimeout();
        Assert.True(result.IsCompleted);
        Reader.AdvanceTo(result.Buffer.End);
    }
}
