using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>HttpClient with a pool of connections for each loop.</summary>
[Trait("Contract", "client")]
[FailsOnStock("Stock's client is internal.")]
public sealed class EventLoopHttpHandlerTests
{
    private const int Loops = 3;

    // Inline: a loop stays on its thread. The first request of a loop opens the connection, and goes on elsewhere.
    [Fact]
    public async Task A_request_that_a_handler_sends_is_answered_on_its_loop()
    {
        var upstreamConnections = new HashSet<string>();
        await using var upstream = await StartUpstreamAsync(upstreamConnections);
        HttpClient? client = null;
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Inline,
            Transport = static options => options.EventLoopCount = Loops,
            App = async http =>
            {
                var loop = http.Features.Get<IEventLoopFeature>()!;
                Assert.True(loop.IsCurrent);
                await client!.GetStringAsync("/");
                await http.Response.WriteAsync($"{loop.Index} {loop.IsCurrent}");
            },
        });
        using var ofServer = CreateClient(server, upstream);
        client = ofServer;

        for (var i = 0; i < 2 * Loops; i++)
        {
            using var peer = LoopbackHttpClient.Create(new Uri($"http://{server.EndPoint}"), ClientProtocol.Http1);
            _ = await peer.GetStringAsync("/").DefaultTimeout();
            for (var j = 0; j < 3; j++)
            {
                Assert.EndsWith(" True", await peer.GetStringAsync("/").DefaultTimeout());
            }
        }

        Assert.InRange(upstreamConnections.Count, Loops, Loops + 1);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Requests_of_other_threads_share_a_pool(ApplicationScheduling scheduling)
    {
        var upstreamConnections = new HashSet<string>();
        await using var upstream = await StartUpstreamAsync(upstreamConnections);
        await using var server = await TestServer.StartAsync(scheduling, Echo.RunAsync);
        var handler = new EventLoopHttpHandler(server.Services.GetRequiredService<EventLoopConnectionFactory>());
        using var client = LoopbackHttpClient.Create(handler, UriOf(upstream), ClientProtocol.Http1);

        for (var i = 0; i < 5; i++)
        {
            // To a thread of the pool: what follows an answer may be on a loop.
            Assert.Equal("Hello", await Task.Run(() => client.GetStringAsync("/")).DefaultTimeout());
        }

        using var response = await Task.Run(() => client.Send(new HttpRequestMessage())).DefaultTimeout();
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Single(upstreamConnections);
    }

    // Its number means another loop here, whose pool would open its connections anywhere from then on.
    [Fact]
    public async Task A_loop_of_other_services_is_ignored()
    {
        await using var upstream = await StartUpstreamAsync([]);
        await using var server = await TestServer.StartAsync(ApplicationScheduling.Adaptive, Echo.RunAsync);
        await using var other = new TestTransport(ApplicationScheduling.Adaptive);
        var (foreign, _) = await other.DialAsync();
        var pools = 0;
        using var invoker = new HttpMessageInvoker(new EventLoopHttpHandler(
            server.Services.GetRequiredService<EventLoopConnectionFactory>(),
            () =>
            {
                pools++;
                return LoopbackHttpClient.CreateHandler();
            }));

        foreach (var loop in new[] { null, foreign.Features.Get<IEventLoopFeature>() })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, UriOf(upstream));
            request.SetEventLoop(loop);
            using var response = await Task.Run(() => invoker.SendAsync(request, default)).DefaultTimeout();
        }

        Assert.Equal(1, pools);
    }

    [Fact]
    public async Task Its_handlers_have_the_settings_that_they_are_made_with_and_are_disposed_with_it()
    {
        await using var upstream = await StartUpstreamAsync([]);
        await using var server = await TestServer.StartAsync(ApplicationScheduling.Adaptive, Echo.RunAsync);
        var made = new List<SocketsHttpHandler>();
        var handler = new EventLoopHttpHandler(
            server.Services.GetRequiredService<EventLoopConnectionFactory>(),
            () =>
            {
                made.Add(LoopbackHttpClient.CreateHandler());
                return made[^1];
            });
        using var invoker = new HttpMessageInvoker(handler);
        using (await SendAsync())
        {
            Assert.NotNull(Assert.Single(made).ConnectCallback);
        }

        handler.Dispose();
        handler.Dispose();

        await Assert.ThrowsAsync<ObjectDisposedException>(SendAsync);
        await Poll.UntilAsync(() => upstream.Monitor.ConnectionCount == 0);

        Task<HttpResponseMessage> SendAsync() => Task.Run(
            () => invoker.SendAsync(new HttpRequestMessage(HttpMethod.Get, UriOf(upstream)), default)).DefaultTimeout();
    }

    private static HttpClient CreateClient(TestServer server, TestServer upstream) => LoopbackHttpClient.Create(
        new EventLoopHttpHandler(
            server.Services.GetRequiredService<EventLoopConnectionFactory>(), LoopbackHttpClient.CreateHandler),
        UriOf(upstream),
        ClientProtocol.Http1);

    private static Uri UriOf(TestServer server) => new($"http://{server.EndPoint}");

    private static Task<TestServer> StartUpstreamAsync(HashSet<string> connections)
        => TestServer.StartHttpAsync(ApplicationScheduling.Adaptive, http =>
        {
            lock (connections)
            {
                connections.Add(http.Connection.Id);
            }

            return http.Response.WriteAsync("Hello");
        });
}
