namespace KestrelEventLoopTransport.EcosystemTests.Yarp;

/// <summary>What YARP forwards arrives whole.</summary>
public sealed class ProxyBodyTests
{
    private const long Mebibyte = 1024 * 1024;

    // The other one is stock.
    public static MatrixTheoryData<TransportUnderTest, bool, ClientProtocol> Sides => new(
        [TransportUnderTest.Adaptive, TransportUnderTest.ThreadPool, TransportUnderTest.Inline],
        [false, true],
        [ClientProtocol.Http1, ClientProtocol.Http2PriorKnowledge]);

    [Theory]
    [ClassData<EveryTransportAndProtocol>]
    public async Task Sixteen_MiB_go_up_and_come_down(TransportUnderTest transport, ClientProtocol protocol)
    {
        const long Length = 16 * Mebibyte;
        await using var server = await ProxiedServer.StartAsync(transport, protocol);
        var expected = await ContentHash.OfPatternAsync(Length);
        using var content = new StreamContent(new PatternStream(Length), bufferSize: 64 * 1024);

        var upload = server.Client.PostAsync("/upload", content).DefaultTimeout();
        await using var download = await server.Client.GetStreamAsync($"/download?bytes={Length}").DefaultTimeout();
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

        await ExchangeAsync(server, rounds: 100);
    }

    [Theory]
    [MemberData(nameof(Sides))]
    public async Task With_ours_on_one_side_only_they_arrive_too(
        TransportUnderTest transport, bool inFront, ClientProtocol protocol)
    {
        await using var server = await ProxiedServer.StartAsync(
            inFront ? transport : TransportUnderTest.Sockets,
            inFront ? TransportUnderTest.Sockets : transport,
            protocol);

        await ExchangeAsync(server, rounds: 20);
    }

    [Theory]
    [ClassData<EveryTransportAndHttp2>]
    public async Task Trailers_follow_the_body(TransportUnderTest transport, ClientProtocol protocol)
    {
        await using var server = await ProxiedServer.StartAsync(transport, protocol);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/trailers")
        {
            Version = server.Client.DefaultRequestVersion,
            VersionPolicy = server.Client.DefaultVersionPolicy,
            Headers = { { "TE", "trailers" } },
        };

        using var response = await server.Client.SendAsync(request).DefaultTimeout();

        Assert.Equal("body", await response.Content.ReadAsStringAsync().DefaultTimeout());
        Assert.Equal(["all"], response.TrailingHeaders.GetValues("X-After"));
    }

    private static Task ExchangeAsync(ProxiedServer server, int rounds)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = 8 };
        return Parallel.ForAsync(0, rounds, options, async (round, token) =>
        {
            await server.AssertServesAsync();
            var sent = Pattern.Create(round * 1009, round);
            using var content = new ByteArrayContent(sent);
            using var response = await server.Client.PostAsync("/echo", content, token).DefaultTimeout();
            Assert.Equal(sent, await response.Content.ReadAsByteArrayAsync(token).DefaultTimeout());
        });
    }
}
