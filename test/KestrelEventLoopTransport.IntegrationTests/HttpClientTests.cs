using System.Net;
using System.Text;
using System.Text.Json;
using KestrelEventLoopTransport.IntegrationTests.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>HttpClient over every protocol.</summary>
public sealed class HttpClientTests
{
    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public async Task Answers_carry_status_headers_and_content(
        ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, 2);
        using var client = server.CreateClient(protocol);

        using var response = await client.GetAsync("/json", HangGuard.Token);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(
            protocol is ClientProtocol.Http1 or ClientProtocol.Http1OverTls
            ? HttpVersion.Version11
            : HttpVersion.Version20,
            response.Version);
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync(HangGuard.Token));
        Assert.Equal("Hello, World!", document.RootElement.GetProperty("message").GetString());
        using var missing = await client.GetAsync("/missing", HangGuard.Token);
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public async Task A_hundred_requests_at_once_get_each_its_own_answer(
        ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        const int Requests = 100;
        await using var server = await ProtocolServer.StartAsync(scheduling, 2, MapMeetingPoint);
        using var client = server.CreateClient(protocol);

        // The server answers none before all of them are there.
        var answers = await Task.WhenAll(Enumerable.Range(0, Requests).Select(async number =>
        {
            using var response = await client.PostAsync(
                "/meet", new StringContent($"request {number}"), HangGuard.Token);
            return await response.Content.ReadAsStringAsync(HangGuard.Token);
        }));

        Assert.Equal(Enumerable.Range(0, Requests).Select(number => $"request {number}"), answers);

        static void MapMeetingPoint(WebApplication app)
        {
            var arrived = 0;
            var all = Signal.New();
            app.MapPost("/meet", async (HttpContext context) =>
            {
                using var reader = new StreamReader(context.Request.Body);
                var text = await reader.ReadToEndAsync(context.RequestAborted);
                if (Interlocked.Increment(ref arrived) == Requests)
                {
                    all.SetResult();
                }

                await all.Task.WaitAsync(context.RequestAborted);
                return Results.Text(text);
            });
        }
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    [Trait("Contract", "22")]
    public async Task A_connection_per_request_loses_no_answer(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        using var client = server.CreateClient(ClientProtocol.Http1);
        client.DefaultRequestHeaders.ConnectionClose = true;
        var options = new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = HangGuard.Token };

        await Parallel.ForAsync(0, 300, options, async (number, cancellationToken) =>
        {
            var length = number * 1000;
            await using var content = await client.GetStreamAsync($"/download?bytes={length}", cancellationToken);
            Assert.Equal(
                await ContentHash.OfPatternAsync(length), await ContentHash.OfStreamAsync(content, cancellationToken));
        });
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public async Task Bodies_of_every_size_around_the_block_size_come_back(
        ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, 2);
        using var client = server.CreateClient(protocol);
        int[] sizes = [0, 1, 4000, 4095, 4096, 4097, 8191, 8192, 8193, 16_384, 65_535, 65_536, 65_537];

        foreach (var size in sizes)
        {
            var text = string.Create(size, size, static (span, seed) =>
            {
                var random = new Random(seed);
                foreach (ref var character in span)
                {
                    character = (char)random.Next(' ', '~');
                }
            });
            using var response = await client.PostAsync(
                "/echo", new StringContent(text, Encoding.ASCII), HangGuard.Token);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.Equal(text, await response.Content.ReadAsStringAsync(HangGuard.Token));
        }
    }
}
