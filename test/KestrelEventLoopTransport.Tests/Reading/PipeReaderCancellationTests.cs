using System.Buffers;

namespace KestrelEventLoopTransport.Tests.Reading;

/// <summary>Cancelling reads, on the transport and on a plain Pipe.</summary>
[Trait("Contract", "26")]
public sealed class PipeReaderCancellationTests
{
    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task A_read_that_nobody_awaits_yet_can_be_cancelled(ApplicationScheduling? scheduling)
    {
        await using (var subject = await ReaderSubject.CreateAsync(scheduling))
        {
            var read = subject.Reader.ReadAsync();
            subject.Reader.CancelPendingRead();

            Assert.True((await read.DefaultTimeout()).IsCanceled);
        }

        await using (var subject = await ReaderSubject.CreateAsync(scheduling))
        {
            using var source = new CancellationTokenSource();
            var read = subject.Reader.ReadAsync(source.Token);
            await source.CancelAsync();

            await Assert.ThrowsAsync<OperationCanceledException>(async () => await read.DefaultTimeout());
        }
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CancelPendingRead_wakes_a_pending_read(ApplicationScheduling? scheduling)
    {
        await using var subject = await ReaderSubject.CreateAsync(scheduling);
        var reader = subject.Reader;
        var read = reader.ReadAsync().AsTask();
        Assert.False(read.IsCompleted);

        reader.CancelPendingRead();

        var result = await read.DefaultTimeout();
        Assert.True(result.IsCanceled);
        Assert.False(result.IsCompleted);
        reader.AdvanceTo(result.Buffer.End);
        await AssertReadsAsync(subject, 10);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CancelPendingRead_without_a_read_cancels_the_next_one_only(ApplicationScheduling? scheduling)
    {
        await using var subject = await ReaderSubject.CreateAsync(scheduling);
        var reader = subject.Reader;
        reader.CancelPendingRead();
        reader.CancelPendingRead();

        var result = await reader.ReadAsync().DefaultTimeout();

        Assert.True(result.IsCanceled);
        reader.AdvanceTo(result.Buffer.End);
        var read = reader.ReadAsync().AsTask();
        Assert.False(read.IsCompleted);
        await subject.FeedAsync(Pattern.Create(10));
        result = await read.DefaultTimeout();
        Assert.False(result.IsCanceled);
        Assert.Equal(10, result.Buffer.Length);
        reader.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CancelPendingRead_is_seen_by_TryRead(ApplicationScheduling? scheduling)
    {
        await using var subject = await ReaderSubject.CreateAsync(scheduling);
        var reader = subject.Reader;
        reader.CancelPendingRead();

        Assert.True(reader.TryRead(out var result));

        Assert.True(result.IsCanceled);
        reader.AdvanceTo(result.Buffer.End);
        Assert.False(reader.TryRead(out _));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CancelPendingRead_loses_no_data(ApplicationScheduling? scheduling)
    {
        await using var subject = await ReaderSubject.CreateAsync(scheduling);
        var reader = subject.Reader;
        await subject.FeedAsync(Pattern.Create(100));
        var result = await reader.ReadAtLeastAsync(100).DefaultTimeout();
        reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        reader.CancelPendingRead();

        result = await reader.ReadAsync().DefaultTimeout();

        Assert.True(result.IsCanceled);
        Assert.Equal(Pattern.Create(100), result.Buffer.ToArray());
        reader.AdvanceTo(result.Buffer.Start, result.Buffer.Start);

        // What was examined once stays examined: the next read waits for more.
        var read = reader.ReadAsync().AsTask();
        Assert.False(read.IsCompleted);
        await subject.FeedAsync(Pattern.Create(50, 0, 100));
        result = await read.DefaultTimeout();
        Assert.False(result.IsCanceled);
        Assert.Equal(Pattern.Create(150), result.Buffer.ToArray());
        reader.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CancelPendingRead_while_a_result_is_held_cancels_the_next_read(ApplicationScheduling? scheduling)
    {
        await using var subject = await ReaderSubject.CreateAsync(scheduling);
        var reader = subject.Reader;
        await subject.FeedAsync(Pattern.Create(10));
        var result = await reader.ReadAtLeastAsync(10).DefaultTimeout();
        reader.CancelPendingRead();
        reader.AdvanceTo(result.Buffer.End);

        result = await reader.ReadAsync().DefaultTimeout();

        Assert.True(result.IsCanceled);
        reader.AdvanceTo(result.Buffer.End);
        await AssertReadsAsync(subject, 10);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CancelPendingRead_ends_ReadAtLeastAsync_early(ApplicationScheduling? scheduling)
    {
        await using var subject = await ReaderSubject.CreateAsync(scheduling);
        var reader = subject.Reader;
        var read = reader.ReadAtLeastAsync(1000).AsTask();
        reader.CancelPendingRead();

        var result = await read.DefaultTimeout();

        Assert.True(result.IsCanceled);
        reader.AdvanceTo(result.Buffer.End);
        await AssertReadsAsync(subject, 10);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task A_cancelled_token_throws_before_anything_is_read(ApplicationScheduling? scheduling)
    {
        await using var subject = await ReaderSubject.CreateAsync(scheduling);
        var reader = subject.Reader;
        await subject.FeedAsync(Pattern.Create(10));
        var token = new CancellationToken(canceled: true);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reader.ReadAsync(token).DefaultTimeout());

        var result = await reader.ReadAtLeastAsync(10).DefaultTimeout();
        Assert.Equal(Pattern.Create(10), result.Buffer.ToArray());
        reader.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task A_token_cancels_a_pending_read_and_reading_goes_on(ApplicationScheduling? scheduling)
    {
        await using var subject = await ReaderSubject.CreateAsync(scheduling);
        var reader = subject.Reader;
        using var cancellation = new CancellationTokenSource();
        var read = reader.ReadAsync(cancellation.Token).AsTask();
        Assert.False(read.IsCompleted);

        await cancellation.CancelAsync();

        var exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read.DefaultTimeout());
        Assert.Equal(cancellation.Token, exception.CancellationToken);
        await AssertReadsAsync(subject, 10);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task A_token_that_is_cancelled_after_its_read_does_not_touch_the_next(
        ApplicationScheduling? scheduling)
    {
        await using var subject = await ReaderSubject.CreateAsync(scheduling);
        var reader = subject.Reader;
        using var cancellation = new CancellationTokenSource();
        var first = reader.ReadAsync(cancellation.Token).AsTask();
        await subject.FeedAsync(Pattern.Create(10));
        var result = await first.DefaultTimeout();
        reader.AdvanceTo(result.Buffer.End);
        var second = reader.ReadAsync().AsTask();

        await cancellation.CancelAsync();

        Assert.False(second.IsCompleted);
        await subject.FeedAsync(Pattern.Create(20));
        result = await second.DefaultTimeout();
        Assert.Equal(20, result.Buffer.Length);
        reader.AdvanceTo(result.Buffer.End);
    }

    private static async Task AssertReadsAsync(ReaderSubject subject, int length)
    {
        await subject.FeedAsync(Pattern.Create(length));
        var result = await subject.Reader.ReadAtLeastAsync(length).DefaultTimeout();
        Assert.False(result.IsCanceled);
        Assert.Equal(Pattern.Create(length), result.Buffer.ToArray());
        subject.Reader.AdvanceTo(result.Buffer.End);
    }
}
