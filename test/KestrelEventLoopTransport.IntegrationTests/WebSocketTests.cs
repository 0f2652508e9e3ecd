using System.Net;
using System.Net.WebSockets;
using System.Text;
using KestrelEventLoopTransport.IntegrationTests.Server;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>ClientWebSocket: an upgraded HTTP/1.1 connection, or a stream of an HTTP/2 connection (RFC 8441).</summary>
public sealed class WebSocketTests
{
    private const int Megabyte = 1024 * 1024;

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public async Task Messages_come_back_with_their_type(ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, 2);
        using var invoker = new HttpMessageInvoker(LoopbackHttpClient.CreateHandler());
        using var socket = await ConnectAsync(server, protocol, invoker);

        foreach (var text in (string[])["", "a", "grüße", new string('x', 70_000)])
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            await socket.SendAsync(bytes, WebSocketMessageType.Text, true, HangGuard.Token);
            var (type, content) = await ReceiveMessageAsync(socket);
            Assert.Equal(WebSocketMessageType.Text, type);
            Assert.Equal(text, Encoding.UTF8.GetString(content));
        }

        byte[] binary = [0, 255, 1, 254];
        await socket.SendAsync(binary, WebSocketMessageType.Binary, true, HangGuard.Token);
        var answer = await ReceiveMessageAsync(socket);
        Assert.Equal(WebSocketMessageType.Binary, answer.Type);
        Assert.Equal(binary, answer.Content);
        await CloseAsync(socket);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public async Task Messages_of_1_MiB_in_fragments_come_back_whole(
        ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, 2);
        using var invoker = new HttpMessageInvoker(LoopbackHttpClient.CreateHandler());
        using var socket = await ConnectAsync(server, protocol, invoker);
        var message = new byte[Megabyte];
        var random = new Random(7);

        for (var round = 0; round < 8; round++)
        {
            random.NextBytes(message);
            var receive = ReceiveMessageAsync(socket);
            for (var sent = 0; sent < message.Length;)
            {
                var count = Math.Min(random.Next(1, 300_000), message.Length - sent);
                var isLast = sent + count == message.Length;
                await socket.SendAsync(
                    message.AsMemory(sent, count), WebSocketMessageType.Binary, isLast, HangGuard.Token);
                sent += count;
            }

            var (_, content) = await receive;
            Assert.Equal(message, content);
        }

        await CloseAsync(socket);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public async Task The_close_handshake_completes(ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, 2);
        using var invoker = new HttpMessageInvoker(LoopbackHttpClient.CreateHandler());
        using var socket = await ConnectAsync(server, protocol, invoker);

        await CloseAsync(socket);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task Fifty_sockets_talk_at_once(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);

        await Task.WhenAll(Enumerable.Range(0, 50).Select(async number =>
        {
            using var invoker = new HttpMessageInvoker(LoopbackHttpClient.CreateHandler());
            using var socket = await ConnectAsync(server, ClientProtocol.Http1, invoker);
            for (var round = 0; round < 100; round++)
            {
                var text = $"socket {number} round {round}";
                await socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, true, HangGuard.Token);
                Assert.Equal(text, Encoding.UTF8.GetString((await ReceiveMessageAsync(socket)).Content));
            }

            await CloseAsync(socket);
        }));
    }

    private static async Task<ClientWebSocket> ConnectAsync(
        ProtocolServer server, ClientProtocol protocol, HttpMessageInvoker invoker)
    {
        var address = new UriBuilder(server.Address(protocol)) { Path = "/websocket" };
        address.Scheme = address.Scheme == Uri.UriSchemeHttps ? Uri.UriSchemeWss : Uri.UriSchemeWs;
        var socket = new ClientWebSocket();
        socket.Options.HttpVersion = protocol is ClientProtocol.Http1 or ClientProtocol.Http1OverTls
            ? HttpVersion.Version11
            : HttpVersion.Version20;
        socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        socket.Options.CollectHttpResponseDetails = true;
        await socket.ConnectAsync(address.Uri, invoker, HangGuard.Token);
        var isUpgrade = socket.Options.HttpVersion == HttpVersion.Version11;
        Assert.Equal(isUpgrade ? HttpStatusCode.SwitchingProtocols : HttpStatusCode.OK, socket.HttpStatusCode);
        return socket;
    }

    private static async Task CloseAsync(ClientWebSocket socket)
    {
        await socket.CloseAsync(WebSocketCloseStatus.EndpointUnavailable, "going away", HangGuard.Token);

        Assert.Equal(WebSocketState.Closed, socket.State);
        Assert.Equal(WebSocketCloseStatus.EndpointUnavailable, socket.CloseStatus);
        Assert.Equal("seen: going away", socket.CloseStatusDescription);
    }

    private static async Task<(WebSocketMessageType Type, byte[] Content)> ReceiveMessageAsync(ClientWebSocket socket)
    {
        using var content = new MemoryStream();
        var buffer = new byte[32 * 1024];
        while (true)
        {
            var received = await socket.ReceiveAsync(buffer.AsMemory(), HangGuard.Token);
            content.Write(buffer, 0, received.Count);
            if (received.EndOfMessage)
            {
                return (received.MessageType, content.ToArray());
            }
        }
    }
}
