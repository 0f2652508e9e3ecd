using KestrelEventLoopTransport.Tests.Writing;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Ending;

[Trait("Contract", "23")]
public sealed class DisposeTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Dispose_twice_in_a_row_and_at_once(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();

        await Task.WhenAll(
            Enumerable.Range(0, 4).Select(_ => Task.Run(async () => await pair.Connection.DisposeAsync())))
            .DefaultTimeout();
        await pair.Connection.DisposeAsync().DefaultTimeout();

        await pair.Client.ExpectFinAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Dispose_completes_both_pipes(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();

        await pair.Connection.DisposeAsync().DefaultTimeout();

        await Assert.ThrowsAsync<InvalidOperationException>(() => pair.Input.ReadAsync().DefaultTimeout());
        Assert.Throws<InvalidOperationException>(() => pair.Output.GetMemory());
        Assert.Throws<InvalidOperationException>(() => pair.Output.GetSpan());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Dispose_with_unread_input_and_unflushed_output_returns_everything(
        ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        await pair.Client.SendAsync(Pattern.Create(100_000));
        var result = await pair.Input.ReadAtLeastAsync(50_000).DefaultTimeout();
        pair.Input.AdvanceTo(result.Buffer.GetPosition(10_000), result.Buffer.End);
        pair.Output.GetMemory(50_000);
        pair.Output.Advance(40_000);

        await pair.Connection.DisposeAsync().DefaultTimeout();

        await transport.Pools.AssertAllReturnedAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Dispose_while_a_read_result_is_held_does_not_pull_the_memory_away_unseen(
        ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        await pair.Client.SendAsync(Pattern.Create(10_000));
        await pair.Input.ReadAtLeastAsync(10_000).DefaultTimeout();

        await pair.Connection.DisposeAsync().DefaultTimeout();

        Assert.Throws<InvalidOperationException>(() => pair.Input.AdvanceTo(default));
        await transport.Pools.AssertAllReturnedAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Dispose_with_a_pending_flush_ends_when_the_peer_reads(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var (written, flush) = await BackPressureTests.WriteUntilPendingAsync(pair.Output, 16 * 1024);

        var dispose = pair.Connection.DisposeAsync().AsTask();
        var bytes = await pair.Client.ReceiveToEndAsync();

        Assert.Equal(written, bytes.Length);
        Pattern.AssertMatches(bytes);
        await dispose.DefaultTimeout();
        await flush.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Dispose_with_a_pending_flush_ends_when_the_peer_resets(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var (_, flush) = await BackPressureTests.WriteUntilPendingAsync(pair.Output, 16 * 1024);

        var dispose = pair.Connection.DisposeAsync().AsTask();
        pair.Client.Reset();

        await dispose.DefaultTimeout();
        await flush.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Dispose_with_a_pending_flush_ends_at_abort(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var (_, flush) = await BackPressureTests.WriteUntilPendingAsync(pair.Output, 16 * 1024);

        var dispose = pair.Connection.DisposeAsync().AsTask();
        pair.Connection.Abort(new ConnectionAbortedException("because"));

        await dispose.DefaultTimeout();
        await flush.DefaultTimeout();
        await pair.Client.ExpectResetAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Dispose_with_read_and_flush_pending_and_the_peer_gone(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var read = pair.Input.ReadAsync().AsTask();
        var (_, flush) = await BackPressureTests.WriteUntilPendingAsync(pair.Output, 16 * 1024);

        pair.Client.Reset();
        await pair.Connection.DisposeAsync().DefaultTimeout();

        await flush.DefaultTimeout();

        // Which of the two pending operations meets the reset is the kernel's choice.
        var exception = await Record.ExceptionAsync(() => read.DefaultTimeout());
        Assert.True(exception is null or ConnectionResetException or ConnectionAbortedException, $"{exception}");
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Dispose_after_the_user_completed_the_pipes(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();

        await pair.Output.WriteAsync(Pattern.Create(5)).DefaultTimeout();
        await pair.Input.CompleteAsync().DefaultTimeout();
        await pair.Output.CompleteAsync(new InvalidOperationException("the application's own")).DefaultTimeout();
        await pair.Connection.DisposeAsync().DefaultTimeout();

        await Poll.UntilAsync(() => transport.Pools.Outstanding == 0);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Dispose_from_inside_the_application(ApplicationScheduling scheduling)
    {
        // In Inline mode this runs on the loop that dispose waits for.
        await using var server = await TestServer.StartAsync(scheduling, static async connection =>
        {
            var result = await connection.Transport.Input.ReadAsync();
            connection.Transport.Input.AdvanceTo(result.Buffer.End);
            await connection.Transport.Output.WriteAsync(Pattern.Create(10));
            await connection.DisposeAsync();
        });
        for (var i = 0; i < 10; i++)
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync(Pattern.Create(1));
            Assert.Equal(10, (await client.ReceiveToEndAsync()).Length);
        }
    }
}
