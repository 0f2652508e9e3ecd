using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using KestrelEventLoopTransport.Connections.Timing;
using KestrelEventLoopTransport.Datagrams;
using KestrelEventLoopTransport.Dialing;
using KestrelEventLoopTransport.Loops.Adaptive;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>HttpClient over connections of the loops, to a server on the same loops.</summary>
[Trait("Contract", "client")]
[FailsOnStock("Stock's client is internal.")]
public sealed class HttpOverLoopsTests
{
    public static MatrixTheoryData<ApplicationScheduling, ClientProtocol> Everything
        => new(EveryScheduling.Values, Enum.GetValues<ClientProtocol>());

    [Theory]
    [MemberData(nameof(Everything))]
    public async Task Bodies_pass_both_ways_over_every_protocol(
        ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        await using var server = await StartAsync(scheduling, protocol, static async http =>
        {
            // HttpClient reads no answer over HTTP/2 before it has sent such a body.
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body);
            await http.Response.Body.WriteAsync(body.ToArray());
        });
        using var client = CreateClient(server, protocol);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(async number =>
        {
            var body = Pattern.Create(number * 100_000, number);
            using var response = await client.PostAsync("/", new ByteArrayContent(body));
            var answer = await response.Content.ReadAsByteArrayAsync();
            Assert.Equal(SHA256.HashData(body), SHA256.HashData(answer));
        })).DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task An_idle_connection_holds_no_memory_and_is_used_again(ApplicationScheduling scheduling)
    {
        var connections = new HashSet<string>();
        await using var server = await StartAsync(scheduling, ClientProtocol.Http1, http =>
        {
            connections.Add(http.Connection.Id);
            return http.Response.WriteAsync("Hello");
        });
        using var client = CreateClient(server, ClientProtocol.Http1);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal("Hello", await client.GetStringAsync("/").DefaultTimeout());
        }

        Assert.Single(connections);
        await Poll.UntilAsync(() => server.Settings.Pools!.Outstanding == 0);
    }

    [Fact]
    public async Task A_web_socket_passes_messages()
    {
        await using var server = await StartAsync(ApplicationScheduling.Adaptive, ClientProtocol.Http1, null, Map);
        using var invoker = new HttpMessageInvoker(CreateHandler(server));
        using var client = new ClientWebSocket();
        var address = new UriBuilder(AddressOf(server, ClientProtocol.Http1)) { Scheme = "ws" }.Uri;
        await client.ConnectAsync(address, invoker, CancellationToken.None).DefaultTimeout();
        await client.SendAsync("Hello"u8.ToArray(), WebSocketMessageType.Text, true, default).DefaultTimeout();

        var buffer = new byte[10];
        var answer = await client.ReceiveAsync(buffer, CancellationToken.None).DefaultTimeout();

        Assert.Equal("Hello"u8, buffer.AsSpan(0, answer.Count));
        await client.CloseAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None).DefaultTimeout();

        static void Map(WebApplication app)
        {
            app.UseWebSockets();
            app.Run(static async http =>
            {
                using var socket = await http.WebSockets.AcceptWebSocketAsync();
                var buffer = new byte[1000];
                var message = await socket.ReceiveAsync(buffer, CancellationToken.None);
                await socket.SendAsync(buffer.AsMemory(0, message.Count), message.MessageType, true, default);
                await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
            });
        }
    }

    // The pool of the client waits on a read of no bytes: the FIN ends it.
    [Fact]
    public async Task A_connection_that_the_server_has_closed_is_not_used_again()
    {
        var connections = 0;
        await using var server = await TestServer.StartAsync(ApplicationScheduling.Adaptive, async connection =>
        {
            Interlocked.Increment(ref connections);
            await connection.Transport.Input.ReadAtLeastAsync(16);
            await connection.Transport.Output.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"u8.ToArray());
        });
        using var client = CreateClient(server, ClientProtocol.Http1);

        for (var i = 1; i <= 5; i++)
        {
            Assert.Equal("OK", await client.GetStringAsync("/").DefaultTimeout());
            await Poll.UntilAsync(() => server.Monitor.Endpoints[0].ConnectionCount == 0);
            Assert.Equal(i, Volatile.Read(ref connections));
        }
    }

    [Fact]
    public async Task A_request_that_is_canceled_gives_its_connection_up()
    {
        var begun = Signal.New();
        await using var server = await StartAsync(ApplicationScheduling.Adaptive, ClientProtocol.Http1, async http =>
        {
            begun.TrySetResult();
            await Task.Delay(Timeout.Infinite, http.RequestAborted);
        });
        using var client = CreateClient(server, ClientProtocol.Http1);
        using var cancellation = new CancellationTokenSource();
        var request = client.GetAsync("/", cancellation.Token);
        await begun.Task.DefaultTimeout();

        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request.DefaultTimeout());
        await Poll.UntilAsync(() => server.Monitor.ConnectionCount == 0);
    }

    [Fact]
    public async Task A_failure_to_connect_has_the_error_of_HttpClient()
    {
        await using var server = await TestServer.StartAsync(ApplicationScheduling.Adaptive, Echo.RunAsync);
        using var client = new HttpClient(CreateHandler(server));
        await using var factory = new EventLoopConnectionFactory(
            new EventLoopClientOptions(),
            server.Services.GetRequiredService<SharedLoops>(),
            server.Services.GetRequiredService<TimeoutMetrics>(),
            server.Services.GetRequiredService<DialMetrics>(),
            server.Services.GetRequiredService<DatagramMetrics>(),
            NullLoggerFactory.Instance,
            static (_, _, _) => throw new SocketException((int)SocketError.HostNotFound));
        using var unresolved = new HttpClient(LoopbackHttpClient.CreateHandler().UseConnectionFactory(factory));

        var refused = await Assert.ThrowsAsync<HttpRequestException>(
            () => client.GetAsync($"http://127.0.0.1:{FreePort.Next()}/").DefaultTimeout());
        var missing = await Assert.ThrowsAsync<HttpRequestException>(
            () => unresolved.GetAsync("http://missing.test/").DefaultTimeout());

        Assert.Equal(HttpRequestError.ConnectionError, refused.HttpRequestError);
        Assert.Equal(HttpRequestError.NameResolutionError, missing.HttpRequestError);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Disposing_ends_a_pending_read_and_closes(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var (connection, client) = await transport.DialAsync();
        var stream = new ConnectionStream(connection);
        var read = stream.ReadAsync(new byte[10]).AsTask();
        await stream.WriteAsync(Pattern.Create(100));

        await stream.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => read.DefaultTimeout());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => stream.WriteAsync(new byte[1]).AsTask());
        Assert.Equal(100, (await client.ReceiveToEndAsync()).Length);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_read_of_no_bytes_waits_for_data_or_the_end(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var (connection, client) = await transport.DialAsync();
        await using var stream = new ConnectionStream(connection);
        var data = stream.ReadAsync(Memory<byte>.Empty).AsTask();
        Assert.Equal(0, transport.Pools.Outstanding);
        Assert.False(data.IsCompleted);
        await client.SendAsync(Pattern.Create(10));
        Assert.Equal(0, await data.DefaultTimeout());
        Assert.Equal(0, await stream.ReadAsync(Memory<byte>.Empty).DefaultTimeout());
        Assert.Equal(10, await stream.ReadAsync(new byte[20]).DefaultTimeout());
        Assert.Equal(0, transport.Pools.Outstanding);
        var end = stream.ReadAsync(Memory<byte>.Empty).AsTask();
        Assert.False(end.IsCompleted);

        client.ShutdownSend();

        Assert.Equal(0, await end.DefaultTimeout());
        Assert.Equal(0, await stream.ReadAsync(new byte[20]).DefaultTimeout());
    }

    [Fact]
    public async Task A_canceled_read_leaves_the_stream_in_use()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var (connection, client) = await transport.DialAsync();
        await using var stream = new ConnectionStream(connection);
        using var cancellation = new CancellationTokenSource();
        var read = stream.ReadAsync(new byte[10], cancellation.Token).AsTask();

        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read.DefaultTimeout());
        await client.SendAsync(Pattern.Create(10));
        Assert.Equal(10, await stream.ReadAsync(new byte[10]).DefaultTimeout());
    }

    // Also with a stream of the system's socket, as the control.
    [Fact]
    public async Task A_write_that_is_canceled_before_it_begins_sends_nothing()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var (connection, peer) = await transport.DialAsync();
        await using var stream = new ConnectionStream(connection);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await stream.WriteAsync("no"u8.ToArray(), new CancellationToken(true)));
        await stream.WriteAsync("yes"u8.ToArray());
        await stream.DisposeAsync();

        Assert.Equal("yes", await peer.ReceiveTextAsync(3));
        await peer.ExpectFinAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Bytes_before_a_reset_are_read_in_small_pieces(bool isOurs)
    {
        const int Length = 3000;
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        using var listener = PlainListener.Start();
        await using var stream = await OpenAsync();
        using var peer = new RawClient(await listener.AcceptAsync().DefaultTimeout());
        var sent = Pattern.Create(Length);
        await peer.SendAsync(sent);

        Assert.Equal(0, await stream.ReadAsync(Memory<byte>.Empty).DefaultTimeout());
        peer.Reset();
        var received = new byte[Length];
        var count = 0;
        while (count < Length)
        {
            Assert.Equal(0, await stream.ReadAsync(Memory<byte>.Empty).DefaultTimeout());
            Assert.Equal(0, await stream.ReadAsync(Memory<byte>.Empty).DefaultTimeout());
            count += await stream.ReadAsync(received.AsMemory(count, Math.Min(100, Length - count))).DefaultTimeout();
        }

        Assert.Equal(sent, received);
        await Assert.ThrowsAnyAsync<IOException>(() => stream.ReadAsync(received).DefaultTimeout());

        async Task<Stream> OpenAsync()
        {
            if (isOurs)
            {
                return new ConnectionStream(await transport.Client.ConnectAsync(listener.LocalEndPoint!));
            }

            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(listener.LocalEndPoint!);
            return new NetworkStream(socket, ownsSocket: true);
        }
    }

    private static Task<TestServer> StartAsync(
        ApplicationScheduling scheduling,
        ClientProtocol protocol,
        RequestDelegate? app,
        Action<WebApplication>? map = null)
        => TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            App = app,
            Map = map,
            UsesTls = protocol is ClientProtocol.Http1OverTls or ClientProtocol.Http2OverTls,
            Protocols = protocol is ClientProtocol.Http1 or ClientProtocol.Http1OverTls
                ? HttpProtocols.Http1
                : HttpProtocols.Http2,
        });

    private static HttpClient CreateClient(TestServer server, ClientProtocol protocol)
        => LoopbackHttpClient.Create(CreateHandler(server), AddressOf(server, protocol), protocol);

    private static SocketsHttpHandler CreateHandler(TestServer server)
        => LoopbackHttpClient.CreateHandler().UseConnectionFactory(
            server.Services.GetRequiredService<IConnectionFactory>());

    private static Uri AddressOf(TestServer server, ClientProtocol protocol)
        => new($"{(protocol is ClientProtocol.Http1OverTls or ClientProtocol.Http2OverTls ? "https" : "http")}"
            + $"://{server.EndPoint}");
}
