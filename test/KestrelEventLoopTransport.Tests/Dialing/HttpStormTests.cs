using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>
/// 10,000 requests over 100 connections, with cancellations, resets and closes at random: nothing is left behind.
/// </summary>
[Trait("Contract", "client")]
[FailsOnStock("Stock's client is internal.")]
[Collection(ProcessWide.Name)]
[Slow]
public sealed class HttpStormTests
{
    private const int Connections = 100;
    private const int RequestsPerWorker = 100;
    private const int MostBytes = 20_000;

    private readonly byte[] _body = Pattern.Create(MostBytes);

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Ten_thousand_requests_leave_nothing(ApplicationScheduling scheduling)
    {
        var seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper?.WriteLine($"Seed {seed}.");
        await RunAsync(scheduling, seed, 1);
        var start = ProcessState.Capture();

        var (answered, canceled, failed) = await RunAsync(scheduling, seed, RequestsPerWorker);

        TestContext.Current.TestOutputHelper?.WriteLine($"{answered} answered, {canceled} canceled, {failed} failed.");
        Assert.Equal(Connections * RequestsPerWorker, answered + canceled + failed);
        Assert.True(answered > 0 && canceled > 0 && failed > 0, $"Seed {seed}.");
        await Poll.UntilAsync(
            () => ProcessState.Capture().HasNoMoreDescriptorsThan(start),
            () => $"Seed {seed}. At the start {start}, now {ProcessState.Capture()}.");
    }

    private async Task<(int Answered, int Canceled, int Failed)> RunAsync(
        ApplicationScheduling scheduling, int seed, int requests)
    {
        var meeting = new Meeting();

        // Its end checks that every block came back, the client's as well: both share the loops.
        await using var server = await TestServer.StartHttpAsync(scheduling, http => AnswerAsync(http, meeting));
        using var client = LoopbackHttpClient.Create(
            new EventLoopHttpHandler(
                server.Services.GetRequiredService<EventLoopConnectionFactory>(),
                static () => new SocketsHttpHandler { UseProxy = false, MaxConnectionsPerServer = Connections }),
            new Uri($"http://{server.EndPoint}"),
            ClientProtocol.Http1);
        var counts = new int[3];

        await Task.WhenAll(Enumerable.Range(0, Connections).Select(worker => Task.Run(async () =>
        {
            var random = new Random(seed + worker);
            for (var i = 0; i < requests; i++)
            {
                Interlocked.Increment(ref counts[await SendAsync(client, random)]);
            }
        }))).WaitAsync(TimeSpan.FromMinutes(3));

        // A connection that the pool still counted would be missing here: none is answered before all have come.
        var answers = await Task.WhenAll(Enumerable.Range(0, Connections).Select(
            _ => Task.Run(() => client.GetStringAsync("/meet")))).DefaultTimeout();
        Assert.All(answers, static answer => Assert.Equal("met", answer));
        client.Dispose();
        await Poll.UntilAsync(() => server.Monitor.ConnectionCount == 0, () => $"Seed {seed}.");
        return (counts[0], counts[1], counts[2]);
    }

    /// <summary>0: answered; 1: canceled; 2: failed. Anything else fails the test.</summary>
    private async Task<int> SendAsync(HttpClient client, Random random)
    {
        // Not 0: half of nothing is a whole answer, and the next request would meet the reset.
        var length = random.Next(1, MostBytes);
        var (path, isCanceled) = random.Next(100) switch
        {
            < 5 => ("/reset", false),
            < 8 => ("/cut", false),
            < 13 => ("/wait", true),
            < 20 => ("/close", false),
            var kind => ("/", kind < 35),
        };
        using var cancellation = new CancellationTokenSource();
        if (isCanceled)
        {
            cancellation.CancelAfter(TimeSpan.FromMicroseconds(random.Next(5_000)));
        }

        try
        {
            using var content = new ByteArrayContent(_body, 0, length);
            using var response = await client.PostAsync(path, content, cancellation.Token);
            var answer = await response.Content.ReadAsByteArrayAsync(cancellation.Token);
            Assert.True(answer.AsSpan().SequenceEqual(_body.AsSpan(0, length)));
            return 0;
        }
        catch (OperationCanceledException) when (isCanceled)
        {
            return 1;
        }
        catch (HttpRequestException) when (path is "/reset" or "/cut")
        {
            return 2;
        }
    }

    private static async Task AnswerAsync(HttpContext http, Meeting meeting)
    {
        switch (http.Request.Path.Value)
        {
            case "/meet":
                await meeting.JoinAsync();
                await http.Response.WriteAsync("met");
                return;
            case "/reset":
                http.Abort();
                return;
            case "/wait":
                // Not RequestAborted. Kestrel does not fire it when the client closes between the last write of the
                // request before and this one (HttpProtocol.Reset keeps the source, which was not to be canceled).
                var closed = http.Features.GetRequiredFeature<IConnectionLifetimeFeature>().ConnectionClosed;
                await Task.Delay(Timeout.Infinite, closed).ContinueWith(static _ => { }, TaskScheduler.Default);
                return;
            case "/close":
                http.Response.Headers.Connection = "close";
                break;
        }

        using var body = new MemoryStream();
        try
        {
            await http.Request.Body.CopyToAsync(body, http.RequestAborted);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            return;
        }

        http.Response.ContentLength = body.Length;
        if (http.Request.Path == "/cut")
        {
            // Half of what was promised.
            await http.Response.Body.WriteAsync(body.GetBuffer().AsMemory(0, (int)body.Length / 2));
            await http.Response.Body.FlushAsync();
            http.Abort();
            return;
        }

        await http.Response.Body.WriteAsync(body.GetBuffer().AsMemory(0, (int)body.Length));
    }

    private sealed class Meeting
    {
        private readonly TaskCompletionSource _all = Signal.New();
        private int _arrived;

        public Task JoinAsync()
        {
            if (Interlocked.Increment(ref _arrived) == Connections)
            {
                _all.SetResult();
            }

            return _all.Task;
        }
    }
}
