using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Tests.Writing;

/// <summary>What System.IO.Pipelines promises of a writer; a plain Pipe passes every test, too.</summary>
[Trait("Contract", "26")]
public sealed class PipeWriterTests
{
    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task GetMemory_and_GetSpan_give_at_least_what_is_asked_for(ApplicationScheduling? scheduling)
    {
        await using var subject = await WriterSubject.CreateAsync(scheduling);
        var writer = subject.Writer;
        foreach (var hint in new[] { 0, 1, 100, 4095, 4096, 4097, 8192, 100_000 })
        {
            Assert.True(writer.GetMemory(hint).Length >= Math.Max(1, hint), $"GetMemory({hint})");
            Assert.True(writer.GetSpan(hint).Length >= Math.Max(1, hint), $"GetSpan({hint})");
        }
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Every_size_arrives(ApplicationScheduling? scheduling)
    {
        await using var subject = await WriterSubject.CreateAsync(scheduling);
        var writer = subject.Writer;
        var position = 0;
        foreach (var size in new[] { 1, 100, 4095, 4096, 4097, 8192, 20_000, 1 })
        {
            Pattern.Fill(writer.GetSpan(size)[..size], 0, position);
            writer.Advance(size);
            position += size;
            Assert.False((await writer.FlushAsync().DefaultTimeout()).IsCompleted);
        }

        Assert.Equal(Pattern.Create(position), await subject.ReceiveAsync(position));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Sizes_mixed_without_a_flush_arrive_in_order(ApplicationScheduling? scheduling)
    {
        await using var subject = await WriterSubject.CreateAsync(scheduling);
        var writer = subject.Writer;
        var position = 0;
        foreach (var size in new[] { 3000, 3000, 10_000, 1, 4096, 5, 9000 })
        {
            // Larger than needed: the rest of the block is taken up again.
            Pattern.Fill(writer.GetSpan(size + 50)[..size], 0, position);
            writer.Advance(size);
            position += size;
        }

        await writer.FlushAsync().DefaultTimeout();

        Assert.Equal(Pattern.Create(position), await subject.ReceiveAsync(position));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Only_what_is_advanced_after_the_last_GetMemory_counts(ApplicationScheduling? scheduling)
    {
        await using var subject = await WriterSubject.CreateAsync(scheduling);
        var writer = subject.Writer;
        writer.GetSpan(100).Fill(1);
        writer.GetSpan(5000).Fill(2);
        writer.GetSpan(10).Fill(3);
        writer.Advance(10);
        writer.GetMemory(100);
        writer.Advance(0);
        await writer.FlushAsync().DefaultTimeout();

        Assert.All(await subject.ReceiveAsync(10), static b => Assert.Equal(3, b));
        writer.Complete();
        Assert.Empty(await subject.ReceiveToEndAsync());
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Advance_may_be_repeated_on_one_memory(ApplicationScheduling? scheduling)
    {
        await using var subject = await WriterSubject.CreateAsync(scheduling);
        var writer = subject.Writer;
        var memory = writer.GetMemory(30);
        Pattern.Fill(memory.Span[..30], 0, 0);
        writer.Advance(10);
        writer.Advance(20);
        await writer.FlushAsync().DefaultTimeout();

        Assert.Equal(Pattern.Create(30), await subject.ReceiveAsync(30));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Advance_beyond_the_memory_or_backwards_throws(ApplicationScheduling? scheduling)
    {
        await using var subject = await WriterSubject.CreateAsync(scheduling);
        var writer = subject.Writer;
        var length = writer.GetMemory(10).Length;

        Assert.Throws<ArgumentOutOfRangeException>(() => writer.Advance(length + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.Advance(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.GetMemory(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.GetSpan(-1));

        writer.Advance(length);
        await writer.FlushAsync().DefaultTimeout();
        Assert.Equal(length, (await subject.ReceiveAsync(length)).Length);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task WriteAsync_of_much_arrives(ApplicationScheduling? scheduling)
    {
        await using var subject = await WriterSubject.CreateAsync(scheduling);
        var writer = subject.Writer;
        const int Length = 2_000_000;
        var write = writer.WriteAsync(Pattern.Create(Length)).AsTask();

        Assert.Equal(Pattern.Create(Length), await subject.ReceiveAsync(Length));
        Assert.False((await write.DefaultTimeout()).IsCompleted);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task WriteAsync_comes_behind_what_was_advanced(ApplicationScheduling? scheduling)
    {
        await using var subject = await WriterSubject.CreateAsync(scheduling);
        var writer = subject.Writer;
        Pattern.Fill(writer.GetSpan(10)[..10], 0, 0);
        writer.Advance(10);
        await writer.WriteAsync(Pattern.Create(5000, 0, 10)).DefaultTimeout();

        Assert.Equal(Pattern.Create(5010), await subject.ReceiveAsync(5010));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Flushing_nothing_completes(ApplicationScheduling? scheduling)
    {
        await using var subject = await WriterSubject.CreateAsync(scheduling);
        var writer = subject.Writer;
        Assert.False((await writer.FlushAsync().DefaultTimeout()).IsCompleted);
        Assert.False((await writer.WriteAsync(ReadOnlyMemory<byte>.Empty).DefaultTimeout()).IsCompleted);
        await writer.WriteAsync(Pattern.Create(1)).DefaultTimeout();

        Assert.Single(await subject.ReceiveAsync(1));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task AsStream_writes(ApplicationScheduling? scheduling)
    {
        await using var subject = await WriterSubject.CreateAsync(scheduling);
        var writer = subject.Writer;
        var stream = writer.AsStream(leaveOpen: true);
        await stream.WriteAsync(Pattern.Create(20_000)).AsTask().DefaultTimeout();
        await stream.FlushAsync().DefaultTimeout();
        await stream.DisposeAsync();

        Assert.Equal(Pattern.Create(20_000), await subject.ReceiveAsync(20_000));
        writer.Complete();
        Assert.Empty(await subject.ReceiveToEndAsync());
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CopyFromAsync_writes(ApplicationScheduling? scheduling)
    {
        await using var subject = await WriterSubject.CreateAsync(scheduling);
        var writer = subject.Writer;
        using var source = new MemoryStream(Pattern.Create(400_000));
        var copy = source.CopyToAsync(writer);

        Assert.Equal(Pattern.Create(400_000), await subject.ReceiveAsync(400_000));
        await copy.DefaultTimeout();
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Complete_flushes_what_was_advanced(ApplicationScheduling? scheduling)
    {
        await using var subject = await WriterSubject.CreateAsync(scheduling);
        var writer = subject.Writer;
        Pattern.Fill(writer.GetSpan(10_000)[..10_000], 0, 0);
        writer.Advance(10_000);
        writer.Complete();

        Assert.Equal(Pattern.Create(10_000), await subject.ReceiveToEndAsync());
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Complete_twice_is_allowed_and_writing_after_it_throws(ApplicationScheduling? scheduling)
    {
        await using var subject = await WriterSubject.CreateAsync(scheduling);
        var writer = subject.Writer;
        await writer.WriteAsync(Pattern.Create(10)).DefaultTimeout();
        writer.Complete();
        writer.Complete();
        await writer.CompleteAsync();

        Assert.Throws<InvalidOperationException>(() => writer.GetMemory());
        Assert.Throws<InvalidOperationException>(() => writer.GetSpan(10));
        await Assert.ThrowsAsync<InvalidOperationException>(
            () => writer.WriteAsync(Pattern.Create(1)).DefaultTimeout());
        writer.CancelPendingFlush();
        Assert.Equal(10, (await subject.ReceiveToEndAsync()).Length);
    }
}
