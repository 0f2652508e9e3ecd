using System.Collections.Concurrent;
using System.Net;
using KestrelEventLoopTransport.IntegrationTests.Server;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>nginx and haproxy in front of the server, as in production.</summary>
public sealed class ReverseProxyTests
{
    private const int Rounds = 100;

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task Nginx_with_keep_alive_upstreams(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        await using var proxy = await ReverseProxy.StartNginxAsync(server.Http1EndPoint.ToString());

        await ExchangeAsync(proxy);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "9")]
    public async Task Nginx_with_keep_alive_upstreams_over_a_Unix_socket(ApplicationScheduling scheduling)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, 2);
        await using var proxy = await ReverseProxy.StartNginxAsync("unix:" + server.UnixSocketPath);

        await ExchangeAsync(proxy);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task Haproxy_with_reused_connections(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        await using var proxy = await ReverseProxy.StartHaproxyAsync(server.Http1EndPoint, "");

        await ExchangeAsync(proxy);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EveryScheduling>]
    public async Task Haproxy_with_HTTP2_to_the_server(ApplicationScheduling scheduling)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, 2);
        await using var proxy = await ReverseProxy.StartHaproxyAsync(server.Http2EndPoint, "proto h2");

        await ExchangeAsync(proxy);
    }

    /// <summary>Small and large answers and bodies from eight clients at once, every byte of them compared.</summary>
    private static async Task ExchangeAsync(ReverseProxy proxy)
    {
        using var client = proxy.CreateClient();
        var connections = new ConcurrentDictionary<string, bool>();
        var options = new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = HangGuard.Token };
        await Parallel.ForAsync(0, Rounds, options, async (round, cancellationToken) =>
        {
            Assert.Equal("Hello, World!", await client.GetStringAsync("/plaintext", cancellationToken));
            connections.TryAdd(await client.GetStringAsync("/connection", cancellationToken), true);

            var text = $"round {round} " + new string((char)('a' + round % 26), round * 700);
            using var echo = await client.PostAsync("/echo", new StringContent(text), cancellationToken);
            Assert.Equal(HttpStatusCode.OK, echo.StatusCode);
            Assert.Equal(text, await echo.Content.ReadAsStringAsync(cancellationToken));

            var length = 1000 + round * 5003;
            using var upload = await client.PostAsync(
                "/upload", new StreamContent(new PatternStream(length)), cancellationToken);
            Assert.Equal(
                await ContentHash.OfPatternAsync(length), await upload.Content.ReadAsStringAsync(cancellationToken));

            await using var download = await client.GetStreamAsync($"/download?bytes={length}", cancellationToken);
            Assert.Equal(
                await ContentHash.OfPatternAsync(length), await ContentHash.OfStreamAsync(download, cancellationToken));
        });

        Assert.InRange(connections.Count, 1, Rounds / 2);
    }
}
