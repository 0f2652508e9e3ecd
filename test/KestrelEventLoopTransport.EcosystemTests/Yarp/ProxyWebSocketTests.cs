using System.Net;
using System.Net.WebSockets;

namespace KestrelEventLoopTransport.EcosystemTests.Yarp;

/// <summary>WebSockets through YARP: their messages, and ends without a word on either side.</summary>
public sealed class ProxyWebSocketTests
{
    // WebSockets over HTTP/2 are streams as others are; TLS adds nothing.
    public static MatrixTheoryData<TransportUnderTest, ClientProtocol> Protocols
        => new(EveryTransport.Values, [ClientProtocol.Http1, ClientProtocol.Http2PriorKnowledge]);

    [Theory]
    [MemberData(nameof(Protocols))]
    public async Task Messages_go_both_ways(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await ProxiedServer.StartAsync(transport, protocol);
        using var socket = await ConnectAsync(server, protocol, "/websocket");

        for (var i = 0; i < 20; i++)
        {
            var sent = Pattern.Create(1 + i * 5003, i);
            var sending = socket.SendAsync(sent, WebSocketMessageType.Binary, true, CancellationToken.None);
            Assert.Equal(sent, await ReceiveAsync(socket).DefaultTimeout());
            await sending.DefaultTimeout();
        }

        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "bye", CancellationToken.None).DefaultTimeout();
        Assert.Equal("seen", socket.CloseStatusDescription);
    }

    [Theory]
    [MemberData(nameof(Protocols))]
    public async Task The_server_sees_that_the_client_is_gone(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await ProxiedServer.StartAsync(transport, protocol);
        using var socket = await ConnectAsync(server, protocol, "/websocket");
        await SayHelloAsync(socket);
        Assert.Equal("hello"u8.ToArray(), await ReceiveAsync(socket).DefaultTimeout());

        socket.Abort();

        await server.Events.Aborted.Task.DefaultTimeout();
        await server.AssertServesAsync();
    }

    [Theory]
    [MemberData(nameof(Protocols))]
    public async Task The_client_sees_that_the_server_aborts(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await ProxiedServer.StartAsync(transport, protocol);
        using var socket = await ConnectAsync(server, protocol, "/websocket-abort");

        await SayHelloAsync(socket);

        await Assert.ThrowsAsync<WebSocketException>(() => ReceiveAsync(socket)).DefaultTimeout();

        await server.AssertServesAsync();
    }

    private static async Task<ClientWebSocket> ConnectAsync(ProxiedServer server, ClientProtocol protocol, string path)
    {
        var socket = new ClientWebSocket();
        socket.Options.HttpVersion = protocol == ClientProtocol.Http1 ? HttpVersion.Version11 : HttpVersion.Version20;
        socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        var address = new UriBuilder(server.Address) { Scheme = Uri.UriSchemeWs, Path = path };
        await socket.ConnectAsync(address.Uri, server.Client, CancellationToken.None).DefaultTimeout();
        return socket;
    }

    private static Task SayHelloAsync(ClientWebSocket socket)
        => socket.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None)
            .DefaultTimeout();

    private static async Task<byte[]> ReceiveAsync(ClientWebSocket socket)
    {
        using var message = new MemoryStream();
        var buffer = new byte[16 * 1024];
        while (true)
        {
            var received = await socket.ReceiveAsync(buffer.AsMemory(), CancellationToken.None);
            message.Write(buffer, 0, received.Count);
            if (received.EndOfMessage)
            {
                return message.ToArray();
            }
        }
    }
}
