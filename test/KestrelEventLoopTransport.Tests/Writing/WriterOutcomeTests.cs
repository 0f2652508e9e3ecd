using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Writing;

[Trait("Contract", "19")]
public sealed class WriterOutcomeTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task After_a_reset_FlushAsync_returns_completed_and_does_not_throw(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        pair.Client.Reset();

        await Poll.UntilAsync(
            async () => (await pair.Output.WriteAsync(Pattern.Create(1000)).DefaultTimeout()).IsCompleted);

        for (var i = 0; i < 3; i++)
        {
            pair.Output.GetMemory(10_000);
            pair.Output.Advance(10_000);
            Assert.True((await pair.Output.FlushAsync().DefaultTimeout()).IsCompleted);
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task After_an_abort_FlushAsync_returns_completed_and_does_not_throw(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        pair.Connection.Abort(new ConnectionAbortedException("because"));

        // Stock notices on another thread.
        await Poll.UntilAsync(
            async () => (await pair.Output.WriteAsync(Pattern.Create(1000)).DefaultTimeout()).IsCompleted);

        pair.Output.GetMemory(10_000);
        pair.Output.Advance(10_000);
        Assert.True((await pair.Output.FlushAsync().DefaultTimeout()).IsCompleted);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_reset_wakes_a_pending_flush(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var (_, flush) = await BackPressureTests.WriteUntilPendingAsync(pair.Output, 16 * 1024);

        pair.Client.Reset();

        Assert.True((await flush.DefaultTimeout()).IsCompleted);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "21")]
    public async Task An_abort_wakes_a_pending_flush(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var (_, flush) = await BackPressureTests.WriteUntilPendingAsync(pair.Output, 16 * 1024);

        pair.Connection.Abort(new ConnectionAbortedException("because"));

        Assert.True((await flush.DefaultTimeout()).IsCompleted);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Memory_taken_before_an_abort_may_be_advanced_after_it(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var memory = pair.Output.GetMemory(100);

        pair.Connection.Abort(new ConnectionAbortedException("because"));
        await pair.Client.ExpectResetAsync();
        Pattern.Fill(memory.Span[..100], 0, 0);
        pair.Output.Advance(100);

        await Poll.UntilAsync(async () => (await pair.Output.FlushAsync().DefaultTimeout()).IsCompleted);
    }
}
