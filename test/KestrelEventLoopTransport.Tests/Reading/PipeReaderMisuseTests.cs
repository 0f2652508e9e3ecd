using System.Buffers;

namespace KestrelEventLoopTransport.Tests.Reading;

/// <summary>Use out of order and after the end, on the transport and on a plain Pipe.</summary>
[Trait("Contract", "26")]
public sealed class PipeReaderMisuseTests : ReaderTests
{
    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Complete_twice_is_allowed_and_use_after_it_throws(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var result = await FeedAndReadAsync(10_000);
        Reader.AdvanceTo(result.Buffer.GetPosition(100), result.Buffer.GetPosition(200));

        Reader.Complete();
        Reader.Complete(new InvalidOperationException("the application's own"));
        await Reader.CompleteAsync();

        await Assert.ThrowsAsync<InvalidOperationException>(() => Reader.ReadAsync().DefaultTimeout());
        Assert.Throws<InvalidOperationException>(() => Reader.TryRead(out _));
        await Assert.ThrowsAsync<InvalidOperationException>(() => Reader.ReadAtLeastAsync(1).DefaultTimeout());
        Assert.Throws<InvalidOperationException>(() => Reader.AdvanceTo(result.Buffer.Start));
        Reader.CancelPendingRead();
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Complete_while_a_result_is_held_is_allowed(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var result = await FeedAndReadAsync(10_000);

        Reader.Complete();

        Assert.Throws<InvalidOperationException>(() => Reader.AdvanceTo(result.Buffer.End));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Reading_again_before_AdvanceTo_throws(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var result = await FeedAndReadAsync(10);

        await Assert.ThrowsAsync<InvalidOperationException>(() => Reader.ReadAsync().DefaultTimeout());
        Assert.Throws<InvalidOperationException>(() => Reader.TryRead(out _));

        Reader.AdvanceTo(result.Buffer.End);
        await AssertReadsAsync(10);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task A_second_read_while_one_is_pending_throws(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var first = Reader.ReadAsync();
        Assert.False(first.IsCompleted);
        var pending = first.AsTask();

        await Assert.ThrowsAsync<InvalidOperationException>(() => Reader.ReadAsync().DefaultTimeout());

        _ = pending.ContinueWith(static t => t.Exception, TaskScheduler.Default);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task AdvanceTo_with_examined_before_consumed_throws(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var result = await FeedAndReadAsync(100);
        var (consumed, examined) = (result.Buffer.GetPosition(50), result.Buffer.GetPosition(20));

        Assert.Throws<InvalidOperationException>(() => Reader.AdvanceTo(consumed, examined));

        Reader.Complete();
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task AdvanceTo_with_a_default_position_changes_nothing(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var result = await FeedAndReadAsync(100);

        Reader.AdvanceTo(default);

        result = await Reader.ReadAsync().DefaultTimeout();
        Assert.Equal(Pattern.Create(100), result.Buffer.ToArray());
        Reader.AdvanceTo(result.Buffer.End);
    }
}
