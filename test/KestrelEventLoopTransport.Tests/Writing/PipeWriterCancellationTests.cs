namespace KestrelEventLoopTransport.Tests.Writing;

/// <summary>Cancelling flushes, on the transport and on a plain Pipe.</summary>
[Trait("Contract", "26")]
public class PipeWriterCancellationTests : WriterTests
{
    private const int Chunk = 16 * 1024;
    private const int More = 256 * 1024;

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CancelPendingFlush_wakes_a_pending_flush_and_loses_nothing(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var (written, flush) = await BackPressureTests.WriteUntilPendingAsync(Writer, Chunk);

        Writer.CancelPendingFlush();

        var result = await flush.DefaultTimeout();
        Assert.True(result.IsCanceled);
        Assert.False(result.IsCompleted);
        Pattern.AssertMatches(await ReceiveAsync((int)written));
        Assert.False((await Writer.FlushAsync().DefaultTimeout()).IsCanceled);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CancelPendingFlush_without_a_flush_cancels_the_next_one_only(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        Writer.CancelPendingFlush();

        Assert.True((await Writer.WriteAsync(Pattern.Create(10)).DefaultTimeout()).IsCanceled);
        Assert.False((await Writer.WriteAsync(Pattern.Create(10, 0, 10)).DefaultTimeout()).IsCanceled);

        Assert.Equal(Pattern.Create(20), await ReceiveAsync(20));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task A_cancelled_token_throws_and_what_was_advanced_is_sent_later_and_once(
        ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var token = new CancellationToken(canceled: true);
        Pattern.Fill(Writer.GetSpan(10)[..10], 0, 0);
        Writer.Advance(10);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Writer.FlushAsync(token).DefaultTimeout());
        await Writer.WriteAsync(Pattern.Create(10, 0, 10)).DefaultTimeout();

        Assert.Equal(Pattern.Create(20), await ReceiveAsync(20));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task A_token_cancels_a_pending_flush_and_loses_nothing(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        using var cancellation = new CancellationTokenSource();
        var (written, first) = await BackPressureTests.WriteUntilPendingAsync(Writer, Chunk);
        Writer.CancelPendingFlush();
        Assert.True((await first.DefaultTimeout()).IsCanceled);

        // More than the limit at once: the kernel may have taken a little more of what came before.
        Pattern.Fill(Writer.GetSpan(More)[..More], 0, written);
        Writer.Advance(More);
        var flush = Writer.FlushAsync(cancellation.Token).AsTask();
        Assert.False(flush.IsCompleted);

        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => flush.DefaultTimeout());
        Pattern.AssertMatches(await ReceiveAsync((int)written + More));
        Assert.False((await Writer.FlushAsync().DefaultTimeout()).IsCanceled);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task A_flush_that_is_pending_when_the_writer_completes_ends(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var (written, flush) = await BackPressureTests.WriteUntilPendingAsync(Writer, Chunk);

        Writer.Complete();

        Pattern.AssertMatches(await ReceiveAsync((int)written));
        await flush.DefaultTimeout();
        Assert.Empty(await ReceiveToEndAsync());
    }
}
