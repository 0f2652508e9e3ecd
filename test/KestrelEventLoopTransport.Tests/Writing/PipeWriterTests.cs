using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Tests.Writing;

/// <summary>What System.IO.Pipelines promises of a writer; a plain Pipe passes every test, too.</summary>
[Trait("Contract", "26")]
public class PipeWriterTests : WriterTests
{
    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task GetMemory_and_GetSpan_give_at_least_what_is_asked_for(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        foreach (var hint in new[] { 0, 1, 100, 4095, 4096, 4097, 8192, 100_000 })
        {
            Assert.True(Writer.GetMemory(hint).Length >= Math.Max(1, hint), $"GetMemory({hint})");
            Assert.True(Writer.GetSpan(hint).Length >= Math.Max(1, hint), $"GetSpan({hint})");
        }
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Every_size_arrives(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var position = 0;
        foreach (var size in new[] { 1, 100, 4095, 4096, 4097, 8192, 20_000, 1 })
        {
            Pattern.Fill(Writer.GetSpan(size)[..size], 0, position);
            Writer.Advance(size);
            position += size;
            Assert.False((await Writer.FlushAsync().DefaultTimeout()).IsCompleted);
        }

        Assert.Equal(Pattern.Create(position), await ReceiveAsync(position));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Sizes_mixed_without_a_flush_arrive_in_order(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var position = 0;
        foreach (var size in new[] { 3000, 3000, 10_000, 1, 4096, 5, 9000 })
        {
            // Larger than needed: the rest of the block is taken up again.
            Pattern.Fill(Writer.GetSpan(size + 50)[..size], 0, position);
            Writer.Advance(size);
            position += size;
        }

        await Writer.FlushAsync().DefaultTimeout();

        Assert.Equal(Pattern.Create(position), await ReceiveAsync(position));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Only_what_is_advanced_after_the_last_GetMemory_counts(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        Writer.GetSpan(100).Fill(1);
        Writer.GetSpan(5000).Fill(2);
        Writer.GetSpan(10).Fill(3);
        Writer.Advance(10);
        Writer.GetMemory(100);
        Writer.Advance(0);
        await Writer.FlushAsync().DefaultTimeout();

        Assert.All(await ReceiveAsync(10), static b => Assert.Equal(3, b));
        Writer.Complete();
        Assert.Empty(await ReceiveToEndAsync());
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Advance_may_be_repeated_on_one_memory(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var memory = Writer.GetMemory(30);
        Pattern.Fill(memory.Span[..30], 0, 0);
        Writer.Advance(10);
        Writer.Advance(20);
        await Writer.FlushAsync().DefaultTimeout();

        Assert.Equal(Pattern.Create(30), await ReceiveAsync(30));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Advance_beyond_the_memory_or_backwards_throws(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var length = Writer.GetMemory(10).Length;

        Assert.Throws<ArgumentOutOfRangeException>(() => Writer.Advance(length + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Writer.Advance(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Writer.GetMemory(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Writer.GetSpan(-1));

        Writer.Advance(length);
        await Writer.FlushAsync().DefaultTimeout();
        Assert.Equal(length, (await ReceiveAsync(length)).Length);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task WriteAsync_of_much_arrives(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        const int Length = 2_000_000;
        var write = Writer.WriteAsync(Pattern.Create(Length)).AsTask();

        Assert.Equal(Pattern.Create(Length), await ReceiveAsync(Length));
        Assert.False((await write.DefaultTimeout()).IsCompleted);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task WriteAsync_comes_behind_what_was_advanced(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        Pattern.Fill(Writer.GetSpan(10)[..10], 0, 0);
        Writer.Advance(10);
        await Writer.WriteAsync(Pattern.Create(5000, 0, 10)).DefaultTimeout();

        Assert.Equal(Pattern.Create(5010), await ReceiveAsync(5010));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Flushing_nothing_completes(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        Assert.False((await Writer.FlushAsync().DefaultTimeout()).IsCompleted);
        Assert.False((await Writer.WriteAsync(ReadOnlyMemory<byte>.Empty).DefaultTimeout()).IsCompleted);
        await Writer.WriteAsync(Pattern.Create(1)).DefaultTimeout();

        Assert.Single(await ReceiveAsync(1));
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task AsStream_writes(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var stream = Writer.AsStream(leaveOpen: true);
        await stream.WriteAsync(Pattern.Create(20_000)).AsTask().DefaultTimeout();
        await stream.FlushAsync().DefaultTimeout();
        await stream.DisposeAsync();

        Assert.Equal(Pattern.Create(20_000), await ReceiveAsync(20_000));
        Writer.Complete();
        Assert.Empty(await ReceiveToEndAsync());
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task CopyFromAsync_writes(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        using var source = new MemoryStream(Pattern.Create(400_000));
        var copy = source.CopyToAsync(Writer);

        Assert.Equal(Pattern.Create(400_000), await ReceiveAsync(400_000));
        await copy.DefaultTimeout();
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Complete_flushes_what_was_advanced(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        Pattern.Fill(Writer.GetSpan(10_000)[..10_000], 0, 0);
        Writer.Advance(10_000);
        Writer.Complete();

        Assert.Equal(Pattern.Create(10_000), await ReceiveToEndAsync());
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    public async Task Complete_twice_is_allowed_and_writing_after_it_throws(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        await Writer.WriteAsync(Pattern.Create(10)).DefaultTimeout();
        Writer.Complete();
        Writer.Complete();
        await Writer.CompleteAsync();

        Assert.Throws<InvalidOperationException>(() => Writer.GetMemory());
        Assert.Throws<InvalidOperationException>(() => Writer.GetSpan(10));
        await Assert.ThrowsAsync<InvalidOperationException>(
            () => Writer.WriteAsync(Pattern.Create(1)).DefaultTimeout());
        Writer.CancelPendingFlush();
        Assert.Equal(10, (await ReceiveToEndAsync()).Length);
    }
}
