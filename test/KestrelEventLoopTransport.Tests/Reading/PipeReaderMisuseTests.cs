using System.Buffers;

namespace KestrelEventLoopTransport.Tests.Reading;

/// <summary>Use out of order and after the end, on the transport and on a plain Pipe.</summary>
[Trait("Contract", "26")]
public sealed class PipeReaderMisuseTests
{
    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Complete_twice_is_allowed_and_use_after_it_throws(ApplicationScheduling? scheduling)
    {
        await using var subject = await ReaderSubject.CreateAsync(scheduling);
        var reader = subject.Reader;
        await subject.FeedAsync(Pattern.Create(10_000));
        var result = await reader.ReadAtLeastAsync(10_000).DefaultTimeout();
        reader.AdvanceTo(result.Buffer.GetPosition(100), result.Buffer.GetPosition(200));

        reader.Complete();
        reader.Complete(new InvalidOperationException("the application's own"));
        await reader.CompleteAsync();

        await Assert.ThrowsAsync<InvalidOperationException>(() => reader.ReadAsync().DefaultTimeout());
        Assert.Throws<InvalidOperationException>(() => reader.TryRead(out _));
        await Assert.ThrowsAsync<InvalidOperationException>(() => reader.ReadAtLeastAsync(1).DefaultTimeout());
        Assert.Throws<InvalidOperationException>(() => reader.AdvanceTo(result.Buffer.Start));
        reader.CancelPendingRead();
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Complete_while_a_result_is_held_is_allowed(ApplicationScheduling? scheduling)
    {
        await using var subject = await ReaderSubject.CreateAsync(scheduling);
        var reader = subject.Reader;
        await subject.FeedAsync(Pattern.Create(10_000));
        var result = await reader.ReadAtLeastAsync(10_000).DefaultTimeout();

        reader.Complete();

        Assert.Throws<InvalidOperationException>(() => reader.AdvanceTo(result.Buffer.End));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Reading_again_before_AdvanceTo_throws(ApplicationScheduling? scheduling)
    {
        await using var subject = await ReaderSubject.CreateAsync(scheduling);
        var reader = subject.Reader;
        await subject.FeedAsync(Pattern.Create(10));
        var result = await reader.ReadAtLeastAsync(10).DefaultTimeout();

        await Assert.ThrowsAsync<InvalidOperationException>(() => reader.ReadAsync().DefaultTimeout());
        Assert.Throws<InvalidOperationException>(() => reader.TryRead(out _));

        reader.AdvanceTo(result.Buffer.End);
        await AssertReadsAsync(subject, 10);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task A_second_read_while_one_is_pending_throws(ApplicationScheduling? scheduling)
    {
        await using var subject = await ReaderSubject.CreateAsync(scheduling);
        var reader = subject.Reader;
        var first = reader.ReadAsync();
        Assert.False(first.IsCompleted);
        var pending = first.AsTask();

        await Assert.ThrowsAsync<InvalidOperationException>(() => reader.ReadAsync().DefaultTimeout());

        _ = pending.ContinueWith(static t => t.Exception, TaskScheduler.Default);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task AdvanceTo_with_examined_before_consumed_throws(ApplicationScheduling? scheduling)
    {
        await using var subject = await ReaderSubject.CreateAsync(scheduling);
        var reader = subject.Reader;
        await subject.FeedAsync(Pattern.Create(100));
        var result = await reader.ReadAtLeastAsync(100).DefaultTimeout();
        var (consumed, examined) = (result.Buffer.GetPosition(50), result.Buffer.GetPosition(20));

        Assert.Throws<InvalidOperationException>(() => reader.AdvanceTo(consumed, examined));

        reader.Complete();
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task AdvanceTo_with_a_default_position_changes_nothing(ApplicationScheduling? scheduling)
    {
        await using var subject = await ReaderSubject.CreateAsync(scheduling);
        var reader = subject.Reader;
        await subject.FeedAsync(Pattern.Create(100));
        var result = await reader.ReadAtLeastAsync(100).DefaultTimeout();

        reader.AdvanceTo(default);

        result = await reader.ReadAsync().DefaultTimeout();
        Assert.Equal(Pattern.Create(100), result.Buffer.ToArray());
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
