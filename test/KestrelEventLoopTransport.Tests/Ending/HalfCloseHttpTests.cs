using System.Net.WebSockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace KestrelEventLoopTransport.Tests.Ending;

/// <summary>
/// HTTP on an endpoint that allows half-close. A client's FIN must neither hang nor leak a connection: Kestrel then
/// learns of it by reading, and not by <c>ConnectionClosed</c>.
/// </summary>
[Trait("Contract", "half-close")]
[FailsOnStock("Half-close is an option of ours.")]
public sealed class HalfCloseHttpTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

    // The preface, an empty SETTINGS frame, and HEADERS of GET http://h/ on stream 1 (RFC 9113, 3.4 and 6; RFC 7541).
    private static readonly byte[] _http2Request =
    [
        .. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, 0, 0, 0, 4, 0, 0, 0, 0, 0,
        0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, (byte)'h',
    ];

    public static MatrixTheoryData<ApplicationScheduling, bool> Kinds => new(EveryScheduling.Values, [false, true]);

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_response_that_is_made_after_the_FIN_arrives(ApplicationScheduling scheduling, bool tls)
    {
        var started = Signal.New();
        var finished = Signal.New();
        var wasAborted = true;
        await using var server = await StartAsync(scheduling, tls, async http =>
        {
            started.SetResult();
            await finished.Task.DefaultTimeout();
            wasAborted = http.RequestAborted.IsCancellationRequested;
            await http.Response.WriteAsync(new string('x', 1_000_000));
        });
        using var client = await server.ConnectAsync();
        await client.SendAsync(Get);
        await started.Task.DefaultTimeout();
        await client.ShutdownAsync();
        await Poll.UntilAsync(() => tls || server.Logs.Entries.Any(entry => entry.EventId.Name == "ConnectionReadFin"));
        finished.SetResult();

        var response = await client.ReceiveTextToEndAsync();

        Assert.EndsWith("x\r\n0\r\n\r\n", response, StringComparison.Ordinal);
        Assert.False(wasAborted);
        await IsClosedAsync(server);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task An_idle_connection_is_closed_at_the_FIN(ApplicationScheduling scheduling, bool tls)
    {
        await using var server = await StartAsync(scheduling, tls, static http => http.Response.WriteAsync("hello"));
        using var client = await server.ConnectAsync();
        await client.SendAsync(Get);
        await client.ReceiveThroughAsync("hello\r\n0\r\n\r\n");

        await client.ShutdownAsync();

        await client.ReceiveUntilGoneAsync();
        await IsClosedAsync(server);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_connection_is_closed_at_a_FIN_inside_a_request(ApplicationScheduling scheduling, bool tls)
    {
        await using var server = await StartAsync(
            scheduling, tls, static http => http.Request.Body.CopyToAsync(http.Response.Body));
        foreach (var part in new[] { "GET / HT", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc" })
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync(part);

            await client.ShutdownAsync();

            await client.ReceiveUntilGoneAsync();
            await IsClosedAsync(server);
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_client_that_goes_away_aborts_its_request_when_a_response_is_sent(
        ApplicationScheduling scheduling)
    {
        var started = Signal.New();
        var aborted = Signal.New();
        await using var server = await StartAsync(scheduling, tls: false, async http =>
        {
            http.RequestAborted.Register(aborted.SetResult);
            started.SetResult();
            while (!http.RequestAborted.IsCancellationRequested)
            {
                await http.Response.WriteAsync("x");
                await Task.Yield();
            }
        });
        using (var client = await server.ConnectAsync())
        {
            await client.SendAsync(Get);
            await started.Task.DefaultTimeout();
        }

        await aborted.Task.DefaultTimeout();
        await IsClosedAsync(server);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task An_HTTP_2_connection_is_closed_at_the_FIN(ApplicationScheduling scheduling, bool whileBusy)
    {
        await using var server = await StartAsync(
            scheduling,
            tls: false,
            static async http =>
            {
                await http.Response.StartAsync();
                await Task.Delay(Timeout.Infinite, http.RequestAborted);
            },
            HttpProtocols.Http2);
        using var client = await server.ConnectAsync();
        await client.SendAsync(whileBusy ? _http2Request : _http2Request.AsMemory(0, 24 + 9));
        await client.ReceiveExactlyAsync(9);

        client.ShutdownSend();

        await client.ReceiveUntilGoneAsync();
        await IsClosedAsync(server);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_WebSocket_ends_at_the_FIN(ApplicationScheduling scheduling)
    {
        var ended = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Transport = static options => options.EndpointDefaults.AllowHalfClose = true,
            Map = application => application.UseWebSockets().Run(async http =>
            {
                using var socket = await http.WebSockets.AcceptWebSocketAsync();
                ended.SetResult(await Record.ExceptionAsync(() => ReceiveAsync(socket)));
            }),
        });
        using var client = await server.ConnectAsync();
        await client.SendAsync(
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
        await client.ReceiveThroughAsync("\r\n\r\n");

        client.ShutdownSend();

        Assert.IsAssignableFrom<WebSocketException>(await ended.Task.DefaultTimeout());
        await client.ReceiveUntilGoneAsync();
        await IsClosedAsync(server);
    }

    private static Task<TestServer> StartAsync(
        ApplicationScheduling scheduling,
        bool tls,
        RequestDelegate app,
        HttpProtocols protocols = HttpProtocols.Http1)
        => TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            UsesTls = tls,
            App = app,
            Protocols = protocols,
            Transport = static options => options.EndpointDefaults.AllowHalfClose = true,
        });

    private static async Task ReceiveAsync(WebSocket socket)
        => await socket.ReceiveAsync(new byte[100], CancellationToken.None);

    private static Task IsClosedAsync(TestServer server)
        => Poll.UntilAsync(() => server.Monitor.ConnectionCount == 0);
}
