using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Tests.Reading;
using KestrelEventLoopTransport.Tests.Writing;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Ending;

/// <summary>The log says which side ended a connection, when it does and with stock's event ids.</summary>
[Trait("Contract", "27")]
public sealed class WhoClosedTests
{
    private const int ConnectionPause = 4;
    private const int ConnectionResume = 5;
    private const int ConnectionReadFin = 6;
    private const int ConnectionWriteFin = 7;
    private const int ConnectionWriteRst = 8;
    private const int ConnectionReset = 19;

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_FIN_of_the_peer_is_logged_while_nobody_reads(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();

        pair.Client.ShutdownSend();

        await ExpectAsync(transport.Logs, ConnectionReadFin, pair.Connection);
        Assert.Empty(Of(transport.Logs, ConnectionWriteFin));
        Assert.Empty(Of(transport.Logs, ConnectionReset));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_FIN_of_the_peer_is_logged_while_data_in_front_of_it_is_unread(
        ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        await pair.Client.SendAsync(Pattern.Create(50_000));

        pair.Client.ShutdownSend();

        await ExpectAsync(transport.Logs, ConnectionReadFin, pair.Connection);
    }

    // With our own shutdown, the peer's FIN closes the connection both ways, as a reset does.
    [Theory]
    [ClassData<EveryScheduling>]
    [FailsOnStock("It waits for a block of our transport.")]
    public async Task The_FIN_of_the_peer_is_no_RST_when_it_is_received_while_this_side_aborts(
        ApplicationScheduling scheduling)
    {
        var settings = new TestSettings { Scheduling = scheduling };
        var gate = new RentGate(settings);
        await using var transport = new TestTransport(settings);
        await using var pair = await transport.ConnectAsync();

        // A block is received ahead, and the next receive begins.
        gate.Close(after: 1);
        await pair.Client.SendAsync(Pattern.Create(StreamConnection.BlockSize));
        await gate.Reached;
        pair.Client.ShutdownSend();
        pair.Connection.Abort(null!);
        gate.Open();

        await ExpectAsync(transport.Logs, ConnectionReadFin, pair.Connection);
        Assert.Empty(Of(transport.Logs, ConnectionReset));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_RST_of_the_peer_is_logged_while_nobody_reads(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();

        pair.Client.Reset();

        await ExpectAsync(transport.Logs, ConnectionReset, pair.Connection);
        Assert.Empty(Of(transport.Logs, ConnectionReadFin));
        Assert.Empty(Of(transport.Logs, ConnectionWriteFin));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Each_end_is_logged_once(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        foreach (var reset in new[] { true, false })
        {
            await using var pair = await transport.ConnectAsync();
            var closed = Signal.New();
            pair.Connection.ConnectionClosed.Register(() => closed.TrySetResult());
            if (reset)
            {
                pair.Client.Reset();
            }
            else
            {
                pair.Client.ShutdownSend();
            }

            await closed.Task.DefaultTimeout();
            await Record.ExceptionAsync(() => ReaderOutcomeTests.ReadToEndAsync(pair.Input));
            pair.Connection.Abort(null!);
            await pair.DisposeAsync();
        }

        Assert.Single(Of(transport.Logs, ConnectionReset));
        Assert.Single(Of(transport.Logs, ConnectionReadFin));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_client_that_leaves_during_a_request_is_named_before_the_servers_own_FIN(
        ApplicationScheduling scheduling)
    {
        foreach (var (reset, id) in new[] { (true, ConnectionReset), (false, ConnectionReadFin) })
        {
            var started = Signal.New();
            var aborted = Signal.New();
            await using var server = await TestServer.StartHttpAsync(scheduling, async http =>
            {
                http.RequestAborted.Register(aborted.SetResult);
                started.SetResult();
                await aborted.Task;
            });
            using var client = await server.ConnectAsync();
            await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            await started.Task.DefaultTimeout();

            if (reset)
            {
                client.Reset();
            }
            else
            {
                client.ShutdownSend();
            }

            await aborted.Task.DefaultTimeout();
            await Poll.UntilAsync(() => OfTransport(server.Logs).Any(
                e => e.EventId.Id is ConnectionWriteFin or ConnectionWriteRst || e.EventId.Id == id));
            var first = OfTransport(server.Logs).First(
                static e => e.EventId.Id is not ConnectionPause and not ConnectionResume);
            Assert.True(first.EventId.Id == id, string.Join(Environment.NewLine, OfTransport(server.Logs)));
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "17")]
    public async Task Pause_and_resume_are_the_inputs(ApplicationScheduling scheduling)
    {
        const int Limit = 64 * 1024;
        await using var transport = new TestTransport(scheduling, static options => options.MaxReadBufferSize = Limit);
        await using var pair = await transport.ConnectAsync();
        Assert.Empty(Of(transport.Logs, ConnectionPause));

        var send = pair.Client.SendAsync(new byte[2 * Limit]);

        await ExpectAsync(transport.Logs, ConnectionPause, pair.Connection);
        Assert.Empty(Of(transport.Logs, ConnectionResume));
        for (var left = 2L * Limit; left > 0;)
        {
            var result = await pair.Input.ReadAsync().DefaultTimeout();
            left -= result.Buffer.Length;
            pair.Input.AdvanceTo(result.Buffer.End);
        }

        await ExpectAsync(transport.Logs, ConnectionResume, pair.Connection);
        await send.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_flush_that_waits_is_no_pause(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();

        var (written, flush) = await BackPressureTests.WriteUntilPendingAsync(pair.Output, 64 * 1024);

        Assert.Empty(Of(transport.Logs, ConnectionPause));
        await pair.Client.ReceiveExactlyAsync((int)written);
        await flush.DefaultTimeout();
        Assert.Empty(Of(transport.Logs, ConnectionResume));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "21")]
    public async Task An_abort_names_the_door_it_came_through(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using (var pair = await transport.ConnectAsync())
        {
            pair.Connection.Abort();
            await pair.Client.ExpectResetAsync();
            await ExpectAsync(transport.Logs, ConnectionWriteRst, pair.Connection, "ConnectionContext.Abort()");
        }

        await using (var pair = await transport.ConnectAsync())
        {
            pair.Connection.Features.Get<IConnectionLifetimeFeature>()!.Abort();
            await pair.Client.ExpectResetAsync();
            await ExpectAsync(
                transport.Logs, ConnectionWriteRst, pair.Connection, "IConnectionLifetimeFeature.Abort()");
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task HttpContext_Abort_is_the_applications(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartHttpAsync(scheduling, static http =>
        {
            http.Abort();
            return Task.CompletedTask;
        });
        using var client = await server.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        await client.ExpectResetAsync();

        await Poll.UntilAsync(() => Of(server.Logs, ConnectionWriteRst).Any());
        Assert.Contains(
            "aborted by the application",
            Of(server.Logs, ConnectionWriteRst).Single().Message,
            StringComparison.Ordinal);
        Assert.Empty(Of(server.Logs, ConnectionReadFin));
        Assert.Empty(Of(server.Logs, ConnectionReset));
    }

    private static IEnumerable<LogEntry> OfTransport(CapturedLogs logs)
        => logs.Entries.Where(static e => e.Category.Contains("Transport", StringComparison.Ordinal)
            && e.Level == LogLevel.Debug
            && e.Message.StartsWith("Connection id", StringComparison.Ordinal));

    private static IEnumerable<LogEntry> Of(CapturedLogs logs, int id)
        => OfTransport(logs).Where(e => e.EventId.Id == id);

    private static Task ExpectAsync(CapturedLogs logs, int id, ConnectionContext connection, string text = "")
        => Poll.UntilAsync(
            () => Of(logs, id).Any(e => e.Message.Contains(connection.ConnectionId, StringComparison.Ordinal)
                && e.Message.Contains(text, StringComparison.Ordinal)),
            () => $"{id} {text} among: {string.Join(Environment.NewLine, logs.Entries)}");
}
