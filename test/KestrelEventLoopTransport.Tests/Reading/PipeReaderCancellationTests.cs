using System.Buffers;

namespace KestrelEventLoopTransport.Tests.Reading;

/// <summary>Cancelling reads, on the transport and on a plain Pipe.</summary>
[Trait("Contract", "26")]
public class PipeReaderCancellationTests : ReaderTests
{
    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task A_read_that_nobody_awaits_yet_can_be_cancelled(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var read = Reader.ReadAsync();
        Reader.CancelPendingRead();

        Assert.True((await read.DefaultTimeout()).IsCanceled);

        await OpenAsync(scheduling);
        using var source = new CancellationTokenSource();
        var last = Reader.ReadAsync(source.Token);
        await source.CancelAsync();

        await Assert.ThrowsAsync<OperationCanceledException>(async () => await last.DefaultTimeout());
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CancelPendingRead_wakes_a_pending_read(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var read = Reader.ReadAsync().AsTask();
        Assert.False(read.IsCompleted);

        Reader.CancelPendingRead();

        var result = await read.DefaultTimeout();
        Assert.True(result.IsCanceled);
        Assert.False(result.IsCompleted);
        Reader.AdvanceTo(result.Buffer.End);
        await AssertReadsAsync(10);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CancelPendingRead_without_a_read_cancels_the_next_one_only(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        Reader.CancelPendingRead();
        Reader.CancelPendingRead();

        var result = await Reader.ReadAsync().DefaultTimeout();

        Assert.True(result.IsCanceled);
        Reader.AdvanceTo(result.Buffer.End);
        var read = Reader.ReadAsync().AsTask();
        Assert.False(read.IsCompleted);
        await FeedAsync(Pattern.Create(10));
        result = await read.DefaultTimeout();
        Assert.False(result.IsCanceled);
        Assert.Equal(10, result.Buffer.Length);
        Reader.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CancelPendingRead_is_seen_by_TryRead(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        Reader.CancelPendingRead();

        Assert.True(Reader.TryRead(out var result));

        Assert.True(result.IsCanceled);
        Reader.AdvanceTo(result.Buffer.End);
        Assert.False(Reader.TryRead(out _));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CancelPendingRead_loses_no_data(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var result = await FeedAndReadAsync(100);
        Reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        Reader.CancelPendingRead();

        result = await Reader.ReadAsync().DefaultTimeout();

        Assert.True(result.IsCanceled);
        Assert.Equal(Pattern.Create(100), result.Buffer.ToArray());
        Reader.AdvanceTo(result.Buffer.Start, result.Buffer.Start);

        // What was examined once stays examined: the next read waits for more.
        var read = Reader.ReadAsync().AsTask();
        Assert.False(read.IsCompleted);
        await FeedAsync(Pattern.Create(50, 0, 100));
        result = await read.DefaultTimeout();
        Assert.False(result.IsCanceled);
        Assert.Equal(Pattern.Create(150), result.Buffer.ToArray());
        Reader.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CancelPendingRead_while_a_result_is_held_cancels_the_next_read(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var result = await FeedAndReadAsync(10);
        Reader.CancelPendingRead();
        Reader.AdvanceTo(result.Buffer.End);

        result = await Reader.ReadAsync().DefaultTimeout();

        Assert.True(result.IsCanceled);
        Reader.AdvanceTo(result.Buffer.End);
        await AssertReadsAsync(10);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CancelPendingRead_ends_ReadAtLeastAsync_early(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var read = Reader.ReadAtLeastAsync(1000).AsTask();
        Reader.CancelPendingRead();

        var result = await read.DefaultTimeout();

        Assert.True(result.IsCanceled);
        Reader.AdvanceTo(result.Buffer.End);
        await AssertReadsAsync(10);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task A_cancelled_token_throws_before_anything_is_read(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        await FeedAsync(Pattern.Create(10));
        var token = new CancellationToken(canceled: true);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Reader.ReadAsync(token).DefaultTimeout());

        var result = await Reader.ReadAtLeastAsync(10).DefaultTimeout();
        Assert.Equal(Pattern.Create(10), result.Buffer.ToArray());
        Reader.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task A_token_cancels_a_pending_read_and_reading_goes_on(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        using var cancellation = new CancellationTokenSource();
        var read = Reader.ReadAsync(cancellation.Token).AsTask();
        Assert.False(read.IsCompleted);

        await cancellation.CancelAsync();

        var exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read.DefaultTimeout());
        Assert.Equal(cancellation.Token, exception.CancellationToken);
        await AssertReadsAsync(10);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task A_token_that_is_cancelled_after_its_read_does_not_touch_the_next(
        ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        using var cancellation = new CancellationTokenSource();
        var first = Reader.ReadAsync(cancellation.Token).AsTask();
        await FeedAsync(Pattern.Create(10));
        var result = await first.DefaultTimeout();
        Reader.AdvanceTo(result.Buffer.End);
        var second = Reader.ReadAsync().AsTask();

        await cancellation.CancelAsync();

        Assert.False(second.IsCompleted);
        await FeedAsync(Pattern.Create(20));
        result = await second.DefaultTimeout();
        Assert.Equal(20, result.Buffer.Length);
        Reader.AdvanceTo(result.Buffer.End);
    }
}
