using System.IO.Pipelines;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Tests.Reading;

[Trait("Contract", "18")]
public sealed class ReaderOutcomeTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task FIN_is_a_clean_end_behind_the_data(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        await pair.Client.SendAsync(Pattern.Create(10_000));
        pair.Client.ShutdownSend();

        var result = await pair.Input.ReadAtLeastAsync(100_000).DefaultTimeout();

        Assert.True(result.IsCompleted);
        Assert.False(result.IsCanceled);
        Assert.Equal(Pattern.Create(10_000), System.Buffers.BuffersExtensions.ToArray(result.Buffer));
        pair.Input.AdvanceTo(result.Buffer.End);
        for (var i = 0; i < 3; i++)
        {
            result = await pair.Input.ReadAsync().DefaultTimeout();
            Assert.True(result.IsCompleted);
            Assert.True(result.Buffer.IsEmpty);
            pair.Input.AdvanceTo(result.Buffer.End);
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task FIN_wakes_a_pending_read(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var read = pair.Input.ReadAsync();
        Assert.False(read.IsCompleted);

        pair.Client.ShutdownSend();

        var result = await read.DefaultTimeout();
        Assert.True(result.IsCompleted);
        Assert.True(result.Buffer.IsEmpty);
        pair.Input.AdvanceTo(result.Buffer.End);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task RST_throws_ConnectionResetException_from_a_pending_read_and_from_later_ones(
        ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var read = pair.Input.ReadAsync();
        Assert.False(read.IsCompleted);

        pair.Client.Reset();

        await Assert.ThrowsAsync<ConnectionResetException>(() => read.DefaultTimeout());
        await Assert.ThrowsAsync<ConnectionResetException>(() => pair.Input.ReadAsync().DefaultTimeout());
    }

    // The socket is then closed both ways, as after a reset.
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task FIN_after_the_application_has_shut_its_side_down_is_a_clean_end(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        pair.Connection.Features.Get<IConnectionSocketFeature>()!.Socket.Shutdown(SocketShutdown.Send);
        await pair.Client.ExpectFinAsync();
        await pair.Client.SendAsync(Pattern.Create(5000));
        pair.Client.ShutdownSend();

        Assert.Equal(5000, await ReadToEndAsync(pair.Input));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task RST_with_data_in_front_ends_in_ConnectionResetException(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        await pair.Client.SendAsync(Pattern.Create(5000));
        pair.Client.Reset();

        await Assert.ThrowsAsync<ConnectionResetException>(() => ReadToEndAsync(pair.Input));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Abort_with_a_reason_throws_that_very_exception(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var read = pair.Input.ReadAsync();
        var reason = new ConnectionAbortedException("because");

        pair.Connection.Abort(reason);

        Assert.Same(reason, await Assert.ThrowsAsync<ConnectionAbortedException>(() => read.DefaultTimeout()));
        Assert.Same(
            reason,
            await Assert.ThrowsAsync<ConnectionAbortedException>(() => pair.Input.ReadAsync().DefaultTimeout()));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Abort_before_the_first_read_throws_too(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var reason = new ConnectionAbortedException("because");
        pair.Connection.Abort(reason);

        Assert.Same(reason, await Assert.ThrowsAsync<ConnectionAbortedException>(() => ReadToEndAsync(pair.Input)));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Dispose_ends_a_pending_read_with_ConnectionAbortedException(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var read = pair.Input.ReadAsync().AsTask();
        Assert.False(read.IsCompleted);

        await pair.Connection.DisposeAsync().DefaultTimeout();

        await Assert.ThrowsAsync<ConnectionAbortedException>(() => read.DefaultTimeout());
        await pair.Client.ExpectFinAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Completing_the_output_closes_and_ends_a_pending_read_with_ConnectionAbortedException(
        ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var read = pair.Input.ReadAsync().AsTask();

        await pair.Output.WriteAsync(Pattern.Create(100)).DefaultTimeout();
        await pair.Output.CompleteAsync().DefaultTimeout();

        Assert.Equal(100, (await pair.Client.ReceiveToEndAsync()).Length);
        await Assert.ThrowsAsync<ConnectionAbortedException>(() => read.DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "22")]
    public async Task A_half_closed_peer_still_receives_everything(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(scheduling, static async connection =>
        {
            await ReadToEndAsync(connection.Transport.Input);
            await connection.Transport.Output.WriteAsync(Pattern.Create(1_000_000));
        });
        using var client = await server.ConnectAsync();
        await client.SendAsync(Pattern.Create(3000));
        client.ShutdownSend();

        var bytes = await client.ReceiveToEndAsync();

        Assert.Equal(1_000_000, bytes.Length);
        Pattern.AssertMatches(bytes);
    }

    internal static async Task<long> ReadToEndAsync(PipeReader reader)
    {
        for (var total = 0L; ;)
        {
            var result = await reader.ReadAsync().DefaultTimeout();
            total += result.Buffer.Length;
            reader.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                return total;
            }
        }
    }
}
