using System.Net;
using System.Net.WebSockets;

namespace KestrelEventLoopTransport.EcosystemTests.Yarp;

/// <summary>What YARP forwards arrives whole.</summary>
public sealed class ProxyBodyTests
{
    private const long Mebibyte = 1024 * 1024;

    // WebSockets over HTTP/2 are streams as others are; TLS adds nothing.
    public static MatrixTheoryData<TransportUnderTest, ClientProtocol> WebSocketProtocols
        => new(EveryTransport.Values, [ClientProtocol.Http1, ClientProtocol.Http2PriorKnowledge]);

    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task Sixty_four_MiB_go_up_and_come_down(TransportUnderTest transport, ClientProtocol protocol)
    {
        const long Length = 64 * Mebibyte;
        await using var server = await ProxiedServer.StartAsync(transport, protocol);
        using var client = server.CreateClient();
        var expected = await ContentHash.OfPatternAsync(Length);
        using var content = new StreamContent(new PatternStream(Length), bufferSize: 64 * 1024);

        var upload = client.PostAsync("/upload", content).DefaultTimeout();
        await using var download = await client.GetStreamAsync($"/download?bytes={Length}").DefaultTimeout();
        var downloaded = await ContentHash.OfStreamAsync(download, CancellationToken.None).DefaultTimeout();

        Assert.Equal(expected, downloaded);
        using var response = await upload;
        Assert.Equal(expected, await response.Content.ReadAsStringAsync().DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task Requests_and_answers_of_every_size_arrive(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await ProxiedServer.StartAsync(transport, protocol);
        using var client = server.CreateClient();

        await Parallel.ForAsync(0, 100, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (round, token) =>
        {
            Assert.Equal("Hello", await client.GetStringAsync("/hello", token).DefaultTimeout());
            var sent = Pattern.Create(round * 1009, round);
            using var response = await client.PostAsync("/echo", new ByteArrayContent(sent), token).DefaultTimeout();
            Assert.Equal(sent, await response.Content.ReadAsByteArrayAsync(token).DefaultTimeout());
        });
    }

    [Theory]
    [ClassData<EveryTransportAndHttp2>]
    public async Task Trailers_follow_the_body(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await ProxiedServer.StartAsync(transport, protocol);
        using var client = server.CreateClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/trailers")
        {
            Version = client.DefaultRequestVersion,
            VersionPolicy = client.DefaultVersionPolicy,
            Headers = { { "TE", "trailers" } },
        };

        using var response = await client.SendAsync(request).DefaultTimeout();

        Assert.Equal("body", await response.Content.ReadAsStringAsync().DefaultTimeout());
        Assert.Equal(["all"], response.TrailingHeaders.GetValues("X-After"));
    }

    [Theory]
    [MemberData(nameof(WebSocketProtocols))]
    public async Task Messages_of_a_WebSocket_go_both_ways(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await ProxiedServer.StartAsync(transport, protocol);
        using var invoker = new HttpMessageInvoker(LoopbackHttpClient.CreateHandler());
        using var socket = new ClientWebSocket();
        socket.Options.HttpVersion = protocol == ClientProtocol.Http1 ? HttpVersion.Version11 : HttpVersion.Version20;
        socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        var address = new UriBuilder(server.Address) { Scheme = Uri.UriSchemeWs, Path = "/websocket" };
        await socket.ConnectAsync(address.Uri, invoker, CancellationToken.None).DefaultTimeout();

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
