using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Connections.Input;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Reading;

/// <summary>
/// What a reader is told that was not reading when the connection ended, and that Kestrel has aborted since.
/// </summary>
[Trait("Contract", "18")]
public sealed class LateReaderOutcomeTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_reset_stays_a_reset_for_a_body_that_is_read_later(ApplicationScheduling scheduling)
    {
        var (started, aborted) = (Signal.New(), Signal.New());
        var outcome = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await TestServer.StartHttpAsync(scheduling, async http =>
        {
            http.RequestAborted.Register(aborted.SetResult);
            started.SetResult();
            await aborted.Task;
            outcome.SetResult(await Record.ExceptionAsync(() => http.Request.Body.CopyToAsync(Stream.Null)));
        });
        using var client = await server.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
        await started.Task.DefaultTimeout();

        client.Reset();

        Assert.IsType<ConnectionResetException>(await outcome.Task.DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_reset_stays_a_reset_whatever_is_aborted_afterwards(ApplicationScheduling scheduling)
    {
        foreach (var reason in new[] { null, new ConnectionAbortedException("too late") })
        {
            await using var transport = new TestTransport(scheduling);
            await using var pair = await transport.ConnectAsync();
            var closed = Closed(pair.Connection);
            pair.Client.Reset();
            await closed.DefaultTimeout();

            pair.Connection.Abort(reason!);

            await Assert.ThrowsAsync<ConnectionResetException>(() => pair.Input.ReadAsync().DefaultTimeout());
            await Assert.ThrowsAsync<ConnectionResetException>(() => pair.Input.ReadAsync().DefaultTimeout());
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "23")]
    public async Task A_FIN_stays_a_clean_end_behind_the_data_whatever_is_aborted_afterwards(
        ApplicationScheduling scheduling)
    {
        foreach (var reason in new[] { null, new ConnectionAbortedException("too late") })
        {
            await using var transport = new TestTransport(scheduling);
            await using var pair = await transport.ConnectAsync();
            var closed = Closed(pair.Connection);
            await pair.Client.SendAsync(Pattern.Create(50_000));
            pair.Client.ShutdownSend();
            await closed.DefaultTimeout();

            pair.Connection.Abort(reason!);

            Assert.Equal(50_000, await ReaderOutcomeTests.ReadToEndAsync(pair.Input));
        }
    }

    /// <summary>
    /// A read that our end has ended says so, also if the peer's is received before its result is taken.
    /// </summary>
    [Theory]
    [ClassData<EveryScheduling>]
    [FailsOnStock("It waits for a block of our transport, and looks at the state of a connection.")]
    public async Task An_abort_while_a_reset_is_received_ahead_ends_the_read(ApplicationScheduling scheduling)
    {
        var settings = new TestSettings { Scheduling = scheduling };
        var gate = new RentGate(settings);
        await using var transport = new TestTransport(settings);
        await using var pair = await transport.ConnectAsync();
        var input = ((StreamConnection)pair.Connection).Input;
        await pair.Client.SendAsync("a");
        pair.Input.AdvanceTo((await pair.Input.ReadAsync().DefaultTimeout()).Buffer.End);

        // The loop begins to receive, because no reader comes. These fill a block, so it goes on and finds the end.
        gate.Close();
        await pair.Client.SendAsync(Pattern.Create(StreamConnection.BlockSize));
        await gate.Reached;
        var read = pair.Input.ReadAsync();
        pair.Connection.Abort(new ConnectionAbortedException("ours"));
        await Poll.UntilAsync(() => read.IsCompleted);
        pair.Client.Reset();
        gate.Open();
        await Poll.UntilAsync(() => (input.Flags & InputFlags.EndHeld) != 0);

        var exception = await Assert.ThrowsAsync<ConnectionAbortedException>(() => read.AsTask());
        Assert.Equal("ours", exception.Message);
    }

    private static Task Closed(ConnectionContext connection)
    {
        var closed = Signal.New();
        connection.ConnectionClosed.Register(() => closed.TrySetResult());
        return closed.Task;
    }
}
