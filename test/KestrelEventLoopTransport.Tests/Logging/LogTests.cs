using System.Net.Sockets;
using System.Text;
using KestrelEventLoopTransport.Tests.Reading;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Logging;

[Trait("Contract", "27")]
public sealed class LogTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Nothing_that_a_peer_does_is_logged_above_Debug(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartHttpAsync(scheduling, static async http =>
        {
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body);
            await http.Response.Body.WriteAsync(body.ToArray());
        });
        var garbage = new byte[5000];
        new Random(7).NextBytes(garbage);
        for (var i = 0; i < 5; i++)
        {
            await MisbehaveAsync(server, garbage, reset: i % 2 == 0);
            await MisbehaveAsync(server, Encoding.ASCII.GetBytes("GET / HT"), reset: i % 2 == 0);
            await MisbehaveAsync(server, Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\n\r\n"), reset: i % 2 == 0);
            await MisbehaveAsync(
                server,
                Encoding.ASCII.GetBytes("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc"),
                reset: i % 2 == 0);
            await MisbehaveAsync(
                server,
                Encoding.ASCII.GetBytes("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
                reset: i % 2 == 0);
            await MisbehaveAsync(
                server,
                Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: h\r\nX: " + new string('x', 100_000)),
                reset: i % 2 == 0);
            await MisbehaveAsync(server, [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3], reset: i % 2 == 0);
            await MisbehaveAsync(server, [], reset: i % 2 == 0);
        }

        using (var last = await server.ConnectAsync())
        {
            await last.SendAsync("POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlive");
            Assert.EndsWith("4\r\nlive\r\n0\r\n\r\n", Encoding.ASCII.GetString(await last.ReceiveToEndAsync()));
        }

        await server.StopAsync();

        var loud = server.Logs.Entries
            .Where(static entry => entry.Level > LogLevel.Debug
                && entry.EventId.Name != "HeartbeatSlow"
                && !IsAboutTheApplication(entry))
            .ToList();
        Assert.True(loud.Count == 0, string.Join(Environment.NewLine, loud.Take(3)));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_FIN_from_the_peer_is_event_6(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        pair.Client.ShutdownSend();
        await ReaderOutcomeTests.ReadToEndAsync(pair.Input);

        await ExpectAsync(transport.Logs, 6, "ConnectionReadFin", pair.Connection.ConnectionId);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_FIN_to_the_peer_is_event_7(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        await pair.Connection.DisposeAsync().DefaultTimeout();
        await pair.Client.ExpectFinAsync();

        await ExpectAsync(transport.Logs, 7, "ConnectionWriteFin", pair.Connection.ConnectionId);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task An_abort_is_event_8_with_its_reason(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        pair.Connection.Abort(new ConnectionAbortedException("this is the reason"));
        await pair.Client.ExpectResetAsync();

        var entry = await ExpectAsync(transport.Logs, 8, "ConnectionWriteRst", pair.Connection.ConnectionId);
        Assert.Contains("this is the reason", entry.Message, StringComparison.Ordinal);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_reset_from_the_peer_is_event_19(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        pair.Client.Reset();
        await Assert.ThrowsAsync<ConnectionResetException>(() => ReaderOutcomeTests.ReadToEndAsync(pair.Input));

        await ExpectAsync(transport.Logs, 19, "ConnectionReset", pair.Connection.ConnectionId);
    }

    // The host's own lines; and what Kestrel says, on any transport, about an application that lets the exception of a
    // broken body through (13), and about its own attempt to drain such a body afterwards (67).
    private static bool IsAboutTheApplication(LogEntry entry)
        => entry.Category.StartsWith("Microsoft.Hosting", StringComparison.Ordinal)
            || entry.Category.StartsWith("Microsoft.AspNetCore.Hosting", StringComparison.Ordinal)
            || entry.EventId.Name == "RequestBodyDrainBodyReaderInvalidState"
            || (entry.EventId.Name == "ApplicationError"
                && entry.Exception is BadHttpRequestException or ConnectionResetException
                    or ConnectionAbortedException);

    private static async Task<LogEntry> ExpectAsync(CapturedLogs logs, int id, string name, string connectionId)
    {
        LogEntry? found = null;
        await Poll.UntilAsync(
            () => (found = logs.Entries.FirstOrDefault(e => e.EventId.Id == id && e.EventId.Name == name)) is not null,
            () => $"{id} {name} among: {string.Join(Environment.NewLine, logs.Entries)}");
        Assert.Equal(LogLevel.Debug, found!.Level);
        Assert.Contains(connectionId, found.Message, StringComparison.Ordinal);
        return found;
    }

    private static async Task MisbehaveAsync(TestServer server, byte[] bytes, bool reset)
    {
        using var client = await server.ConnectAsync();
        try
        {
            await client.SendAsync(bytes);
            if (reset)
            {
                client.Reset();
                return;
            }

            client.ShutdownSend();
            await client.ReceiveToEndAsync();
        }
        catch (SocketException)
        {
            // The server may have had enough before.
        }
    }
}
