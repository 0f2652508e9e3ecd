using System.Globalization;
using System.Net.ServerSentEvents;
using System.Threading.Channels;
using KestrelEventLoopTransport.IntegrationTests.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>
/// Requests and responses that are under way for long. No time is measured: the next part is produced only when the one
/// before has arrived, so anything that is held back is a hang.
/// </summary>
public sealed class StreamingTests
{
    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public async Task Each_server_sent_event_arrives_before_the_next_is_made(
        ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        var events = Channel.CreateUnbounded<string>();
        await using var server = await ProtocolServer.StartAsync(scheduling, 2, app =>
            app.MapGet("/events", (CancellationToken aborted)
                => TypedResults.ServerSentEvents(events.Reader.ReadAllAsync(aborted))));
        using var client = server.CreateClient(protocol);

        events.Writer.TryWrite("event 0");
        await using var stream = await client.GetStreamAsync("/events", HangGuard.Token);
        var received = 0;
        await foreach (var item in SseParser.Create(stream).EnumerateAsync(HangGuard.Token))
        {
            Assert.Equal($"event {received}", item.Data);
            received++;
            if (received == 50)
            {
                events.Writer.Complete();
            }
            else
            {
                events.Writer.TryWrite($"event {received}");
            }
        }

        Assert.Equal(50, received);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public async Task Long_polls_wait_for_what_another_request_publishes(
        ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        const int Polls = 50;
        var waiting = 0;
        var allWait = Signal.New();
        var news = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await ProtocolServer.StartAsync(scheduling, 2, app =>
        {
            app.MapGet("/poll/{number:int}", async (int number, CancellationToken aborted) =>
            {
                if (Interlocked.Increment(ref waiting) == Polls)
                {
                    allWait.SetResult();
                }

                return $"{number}: {await news.Task.WaitAsync(aborted)}";
            });
            app.MapPost("/publish", (string text) => news.SetResult(text));
        });
        using var client = server.CreateClient(protocol);

        var polls = Enumerable.Range(0, Polls)
            .Select(number => client.GetStringAsync($"/poll/{number}", HangGuard.Token))
            .ToArray();
        await allWait.Task.WaitAsync(HangGuard.Token);
        Assert.DoesNotContain(polls, poll => poll.IsCompleted);
        using var published = await client.PostAsync("/publish?text=news", null, HangGuard.Token);

        Assert.Equal(Enumerable.Range(0, Polls).Select(number => $"{number}: news"), await Task.WhenAll(polls));
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndHttp2>]
    public async Task Both_directions_of_an_HTTP2_stream_flow_at_once(
        ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, 2, MapDuplex);
        using var client = server.CreateClient(protocol);

        await Task.WhenAll(Enumerable.Range(0, 10).Select(call => ConverseAsync(client, call, messages: 50)));

        // As in a gRPC call: answers each line while the request goes on.
        static void MapDuplex(WebApplication app) => app.MapPost("/duplex", async (HttpContext context) =>
        {
            await context.Response.Body.FlushAsync(context.RequestAborted);
            using var reader = new StreamReader(context.Request.Body);
            while (await reader.ReadLineAsync(context.RequestAborted) is { } line)
            {
                await context.Response.WriteAsync($"answer to {line}\n", context.RequestAborted);
            }

            context.Response.AppendTrailer("X-Status", "complete");
        });
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task HTTP2_trailers_follow_the_response(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(
            scheduling, loops, app => app.MapGet("/trailers", async (HttpResponse response) =>
        {
            response.DeclareTrailer("X-Length");
            await response.WriteAsync("content");
            response.AppendTrailer("X-Length", "7");
        }));
        using var client = server.CreateClient(ClientProtocol.Http2OverTls);

        using var response = await client.GetAsync("/trailers", HangGuard.Token);

        Assert.Equal("content", await response.Content.ReadAsStringAsync(HangGuard.Token));
        Assert.Equal(["7"], response.TrailingHeaders.GetValues("X-Length"));
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task Chunked_trailers_follow_the_HTTP1_request(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(
            scheduling, loops, app => app.MapPost("/trailers", async (HttpContext context) =>
        {
            using var reader = new StreamReader(context.Request.Body);
            var content = await reader.ReadToEndAsync(context.RequestAborted);
            return $"{content} {context.Request.GetTrailer("X-Length")}";
        }));
        using var client = await RawClient.ConnectAsync(server.Http1EndPoint);

        await client.SendAsync(
            "POST /trailers HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
        await client.SendAsync("7\r\ncontent\r\n0\r\n");
        await client.SendAsync("X-Length: seven\r\n\r\n");

        var response = await client.ReceiveTextToEndAsync();
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", response, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\nd\r\ncontent seven\r\n0\r\n\r\n", response, StringComparison.Ordinal);
    }

    private static async Task ConverseAsync(HttpClient client, int call, int messages)
    {
        using var content = new DuplexContent();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/duplex") { Content = content };
        request.Version = client.DefaultRequestVersion;
        request.VersionPolicy = client.DefaultVersionPolicy;
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, HangGuard.Token);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(HangGuard.Token));
        for (var message = 0; message < messages; message++)
        {
            var line = string.Create(CultureInfo.InvariantCulture, $"call {call} message {message}");
            await content.WriteLineAsync(line);
            Assert.Equal($"answer to {line}", await reader.ReadLineAsync(HangGuard.Token));
        }

        content.Complete();
        Assert.Null(await reader.ReadLineAsync(HangGuard.Token));
        Assert.Equal(["complete"], response.TrailingHeaders.GetValues("X-Status"));
    }
}
