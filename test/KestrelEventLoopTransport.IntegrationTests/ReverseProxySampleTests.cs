using System.Net;
using KestrelEventLoopTransport.IntegrationTests.Server;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>The sample of a reverse proxy as a process of its own, in front of a server.</summary>
public sealed class ReverseProxySampleTests
{
    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task It_forwards_requests_and_answers_of_every_size()
    {
        await using var server = await ProtocolServer.StartAsync(ApplicationScheduling.Adaptive, 2);
        await using var proxy = await SampleProcess.StartAsync(
            "ReverseProxy", "--upstream", server.Address(ClientProtocol.Http1).ToString());
        using var client = LoopbackHttpClient.Create(new Uri($"http://{proxy.EndPoint}"), ClientProtocol.Http1);
        var options = new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = HangGuard.Token };

        await Parallel.ForAsync(0, 100, options, async (round, cancellationToken) =>
        {
            Assert.Equal("Hello, World!", await client.GetStringAsync("/plaintext", cancellationToken));
            var length = 1000 + round * 5003;
            using var upload = await client.PostAsync(
                "/upload", new StreamContent(new PatternStream(length)), cancellationToken);
            Assert.Equal(
                await ContentHash.OfPatternAsync(length), await upload.Content.ReadAsStringAsync(cancellationToken));
            await using var download = await client.GetStreamAsync($"/download?bytes={length}", cancellationToken);
            Assert.Equal(
                await ContentHash.OfPatternAsync(length), await ContentHash.OfStreamAsync(download, cancellationToken));
        });
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task A_server_that_is_not_there_is_a_bad_gateway()
    {
        await using var proxy = await SampleProcess.StartAsync(
            "ReverseProxy", "--upstream", $"http://127.0.0.1:{FreePort.Next()}");
        using var client = LoopbackHttpClient.Create(new Uri($"http://{proxy.EndPoint}"), ClientProtocol.Http1);

        using var response = await client.GetAsync("/", HangGuard.Token);

        Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
    }
}
