using System.Net;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.SignalR.Client;

namespace KestrelEventLoopTransport.IntegrationTests.Parity;

/// <summary>What a client does with a Kestrel, and a piece of what Kestrel reports of it.</summary>
internal sealed record KestrelScript(
    string Reported, Func<ScriptedKestrel, Task> RunAsync, Action<KestrelServerOptions>? Configure = null);

/// <summary>
/// The scripts by name. Each ends its connections, and leaves no choice of which side is first. Where ends race,
/// reports differ from run to run, on stock as on ours, and the scripts wait: a read that fails because of a reset may
/// end the request before or after Kestrel knows that the client is gone (stock: 106, 8 and 6 of 120 runs with three
/// results, ours 104, 15 and 1 of the same), and a long poll of SignalR's client may end before or after the request
/// that closes it.
/// </summary>
internal static class KestrelScripts
{
    private const string Request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

    /// <summary>The script that waits for Kestrel's heart-beat, whatever the scheduling.</summary>
    public const string Idle = "A client that is idle";

    public static IReadOnlyDictionary<string, KestrelScript> All { get; } = new Dictionary<string, KestrelScript>
    {
        ["HTTP/1.1"] = new(
            "http.response.status_code=404",
            server => SendRequestsAsync(server, "http1", ClientProtocol.Http1)),
        ["HTTP/1.1 over IPv6"] = new(
            "network.type=ipv6", server => SendRequestsAsync(server, "http1-v6", ClientProtocol.Http1)),
        ["HTTP/1.1 over TLS"] = new(
            "kestrel.tls_handshake.duration s: network.transport=tcp network.type=ipv4",
            server => SendRequestsAsync(server, "https", ClientProtocol.Http1OverTls)),
        ["HTTP/2"] = new(
            "network.protocol.version=2",
            server => SendRequestsAsync(server, "h2c", ClientProtocol.Http2PriorKnowledge)),
        ["HTTP/2 over TLS"] = new(
            "applicationProtocol=h2", server => SendRequestsAsync(server, "https", ClientProtocol.Http2OverTls)),
        ["HTTP/1.1 over a Unix socket"] = new("network.transport=unix", async server =>
        {
            using var client = LoopbackHttpClient.CreateForUnixSocket(server.UnixSocketPath);
            Assert.Equal("ok", await client.GetStringAsync("/"));
        }),
        ["A raw connection"] = new("kestrel.connection.duration s: network.transport=tcp", async server =>
        {
            using var client = await server.ConnectAsync("echo");
            await Echo.RoundTripAsync(client);
            client.ShutdownSend();
            await client.ExpectFinAsync();
        }),
        ["A raw connection whose handler throws"] = new("error.type=System.InvalidOperationException", async server =>
        {
            using var client = await server.ConnectAsync("throws");
            await client.ReceiveUntilGoneAsync();
        }),
        ["A WebSocket over HTTP/1.1"] = new(
            "kestrel.upgraded_connections +1", server => OpenWebSocketAsync(server, "http1", HttpVersion.Version11)),
        ["A WebSocket over HTTP/2"] = new(
            "http.request.method=CONNECT", server => OpenWebSocketAsync(server, "h2c", HttpVersion.Version20)),
        ["SignalR over a WebSocket"] = new(
            "signalr.server.active_connections +1", CallHubAsync),
        ["SignalR over long polling"] = new("signalr.server.active_connections -1", PollHubAsync),
        ["An upgraded connection"] = new("kestrel.upgraded_connections -1", async server =>
        {
            using var client = await UpgradeAsync(server);
            client.ShutdownSend();
            await client.ReceiveUntilGoneAsync();
        }),
        ["A FIN before the first request"] = new("kestrel.connection.duration", async server =>
        {
            using var client = await server.ConnectAsync("http1");
            client.ShutdownSend();
            await client.ReceiveUntilGoneAsync();
        }),
        ["A FIN in the middle of a head"] = new("kestrel.connection.duration", server => LeaveAsync(
            server, Request + "GET /", static client => client.ShutdownSend())),
        ["A FIN in the middle of a body"] = new("kestrel.connection.duration", server => LeaveAsync(
            server,
            Request + "POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n1",
            static client => client.ShutdownSend())),
        ["A reset between requests"] = new("kestrel.connection.duration", server => LeaveAsync(
            server, Request, static client => client.Reset())),
        ["A reset in the middle of a head"] = new("kestrel.connection.duration", server => LeaveAsync(
            server, Request + "GET /", static client => client.Reset())),
        ["A reset while the handler runs"] = new("kestrel.connection.duration", async server =>
        {
            using var client = await server.ConnectAsync("http1");
            await client.SendAsync("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
            await server.Waiting.Task.DefaultTimeout();
            client.Reset();
        }),
        ["A reset in the middle of a body"] = new("http.response.status_code=499", async server =>
        {
            using var client = await server.ConnectAsync("http1");
            await client.SendAsync("POST /read-until-aborted HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n1");
            await server.Waiting.Task.DefaultTimeout();
            client.Reset();
        }),
        ["A handler that aborts"] = new("error.type=aborted_by_app", async server =>
        {
            using var client = await server.ConnectAsync("http1");
            await client.SendAsync("GET /abort HTTP/1.1\r\nHost: h\r\n\r\n");
            await client.ReceiveUntilGoneAsync();
        }),
        ["A handler that throws"] = new("error.type=System.InvalidOperationException", async server =>
        {
            using var client = server.CreateClient("http1", ClientProtocol.Http1);
            using var response = await client.GetAsync("/throw");
            Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        }),
        ["A request that is none"] = new("error.type=invalid_request_line", server => FailAsync(
            server, "NONE\r\n\r\n")),
        ["A request with a bad header"] = new("error.type=invalid_request_headers", server => FailAsync(
            server, "GET / HTTP/1.1\r\nHost: h\r\nNone\r\n\r\n")),
        ["A head that is too long"] = new("error.type=max_request_headers_total_size_exceeded", server => FailAsync(
            server, $"GET / HTTP/1.1\r\nHost: h\r\nLong: {new string('x', 33_000)}\r\n\r\n")),
        ["A version that there is not"] = new("error.type=invalid_http_version", server => FailAsync(
            server, "GET / HTTP/1.9\r\nHost: h\r\n\r\n")),
        ["HTTP/1.1 where HTTP/2 is served"] = new("event ConnectionStop", async server =>
        {
            using var client = await server.ConnectAsync("h2c");
            await client.SendAsync(Request);
            await client.ReceiveUntilGoneAsync();
        }),
        ["A handshake that is none"] = new("event TlsHandshakeFailed", async server =>
        {
            using var client = await server.ConnectAsync("https");
            await client.SendAsync(Request);
            await client.ReceiveUntilGoneAsync();
        }),
        ["A FIN in place of a handshake"] = new("event TlsHandshakeFailed", async server =>
        {
            using var client = await server.ConnectAsync("https");
            client.ShutdownSend();
            await client.ReceiveUntilGoneAsync();
        }),
        ["More connections than allowed"] = new(
            "kestrel.rejected_connections +1",
            async server =>
            {
                using var first = await server.ConnectAsync("echo");
                await Echo.RoundTripAsync(first);
                using var second = await server.ConnectAsync("echo");
                await second.ReceiveUntilGoneAsync();
                await server.UntilOpenAsync(1);
                first.ShutdownSend();
                await first.ExpectFinAsync();
            },
            static kestrel => kestrel.Limits.MaxConcurrentConnections = 1),
        ["More upgraded connections than allowed"] = new(
            "http.response.status_code=500",
            async server =>
            {
                using var first = await UpgradeAsync(server);
                using var client = server.CreateClient("http1", ClientProtocol.Http1);
                using var request = new HttpRequestMessage(HttpMethod.Get, "/upgrade");
                request.Headers.Connection.Add("upgrade");
                request.Headers.Upgrade.ParseAdd("test");
                using var response = await client.SendAsync(request);
                Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
                first.ShutdownSend();
                await first.ReceiveUntilGoneAsync();
            },
            static kestrel => kestrel.Limits.MaxConcurrentUpgradedConnections = 1),
        [Idle] = new(
            "error.type=keep_alive_timeout",
            async server =>
            {
                using var client = await server.ConnectAsync("http1");
                await client.SendAsync(Request);
                await client.ReceiveUntilGoneAsync();
            },
            static kestrel => kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(3)),
        ["A stop"] = new("event ConnectionStop", async server =>
        {
            using var client = await server.ConnectAsync("http1");
            await GetAsync(client);
            await server.Reports.UntilReportedAsync("http.server.request.duration");
            await server.StopAsync();
            await client.ReceiveUntilGoneAsync();
        }),
    };

    public static async Task<RawClient> UpgradeAsync(ScriptedKestrel server)
    {
        var client = await server.ConnectAsync("http1");
        await client.SendAsync("GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n");
        await client.ReceiveThroughAsync("101 Switching Protocols");
        return client;
    }

    public static async Task GetAsync(RawClient client)
    {
        await client.SendAsync(Request);
        await client.ReceiveThroughAsync("\r\nok");
    }

    private static async Task SendRequestsAsync(ScriptedKestrel server, string endpoint, ClientProtocol protocol)
    {
        using var client = server.CreateClient(endpoint, protocol);
        Assert.Equal("ok", await client.GetStringAsync("/"));
        using var read = await client.PostAsync("/read", new ByteArrayContent(new byte[200_000]));
        Assert.Equal("read", await read.Content.ReadAsStringAsync());
        using var missing = await client.GetAsync("/missing");
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
    }

    private static async Task OpenWebSocketAsync(ScriptedKestrel server, string endpoint, Version version)
    {
        using var invoker = new HttpMessageInvoker(LoopbackHttpClient.CreateHandler());
        using var socket = new ClientWebSocket();
        socket.Options.HttpVersion = version;
        socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        var address = new UriBuilder(server.AddressOf(endpoint)) { Scheme = Uri.UriSchemeWs, Path = "/websocket" };
        await socket.ConnectAsync(address.Uri, invoker, HangGuard.Token);
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", HangGuard.Token);
    }

    private static async Task CallHubAsync(ScriptedKestrel server)
    {
        await using var connection = new HubConnectionBuilder()
            .WithUrl(new Uri(server.AddressOf("http1"), "/hub"), HttpTransportType.WebSockets).Build();
        await connection.StartAsync(HangGuard.Token);
        await connection.StopAsync(HangGuard.Token);
    }

    /// <summary>SignalR's client by hand: it closes when no poll is under way.</summary>
    private static async Task PollHubAsync(ScriptedKestrel server)
    {
        using var client = server.CreateClient("http1", ClientProtocol.Http1);
        using var negotiated = await client.PostAsync("/hub/negotiate?negotiateVersion=1", content: null);
        var answer = await negotiated.Content.ReadFromJsonAsync<JsonElement>();
        var hub = $"/hub?id={answer.GetProperty("connectionToken").GetString()}";
        Assert.Equal("", await client.GetStringAsync(hub));
        using var handshake = await client.PostAsync(
            hub, new StringContent("""{"protocol":"json","version":1}""" + '\u001e'));
        Assert.Equal("{}\u001e", await client.GetStringAsync(hub));
        using var closed = await client.DeleteAsync(hub);
        Assert.Equal(HttpStatusCode.Accepted, closed.StatusCode);
        await server.Reports.UntilReportedAsync("signalr.server.connection.duration");
    }

    /// <summary>A request whose response is received, more that is sent, and the end.</summary>
    private static async Task LeaveAsync(ScriptedKestrel server, string text, Action<RawClient> leave)
    {
        using var client = await server.ConnectAsync("http1");
        await client.SendAsync(text);
        await client.ReceiveThroughAsync("\r\nok");
        await server.Reports.UntilReportedAsync("http.server.request.duration");
        leave(client);
        await server.UntilOpenAsync(0);
    }

    private static async Task FailAsync(ScriptedKestrel server, string text)
    {
        using var client = await server.ConnectAsync("http1");
        await client.SendAsync(text);
        Assert.NotEmpty(await client.ReceiveToEndAsync());
    }
}
