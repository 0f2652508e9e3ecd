using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using KestrelEventLoopTransport.Tests.Datagrams;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Status;

/// <summary>What the status page says is what happens.</summary>
[FailsOnStock("A page of ours.")]
public sealed class StatusReportTests
{
    [Fact]
    public async Task Loops_and_listeners_are_described()
    {
        await using var server = await StatusServer.StartAsync();

        var report = await server.GetAsync();

        Assert.Equal(Environment.ProcessId, report.GetProperty("processId").GetInt32());
        Assert.Equal(2, report.GetProperty("loops").GetArrayLength());
        Assert.Equal(1, report.GetProperty("loops").EnumerateArray().Sum(loop => loop.Int("connections")));
        var listener = Assert.Single(report.GetProperty("listeners").EnumerateArray());
        Assert.Equal(server.Server.EndPoint.ToString(), listener.Text("address"));
        Assert.Equal(1, listener.Int("accepted"));
        Assert.Equal(1, listener.Int("connections"));
        Assert.Equal(JsonValueKind.Null, listener.GetProperty("maxConnections").ValueKind);
        if (OperatingSystem.IsLinux())
        {
            Assert.Equal(0, listener.Int("queueLength"));
            Assert.True(listener.Int("queueLimit") > 0);
        }
    }

    [Fact]
    public async Task The_connection_that_asks_is_in_the_application()
    {
        await using var server = await StatusServer.StartAsync();

        var connection = Assert.Single(await server.GetConnectionsAsync());

        Assert.Equal("waits for the application", connection.Text("state"));
        Assert.Equal(server.Server.EndPoint.ToString(), connection.Text("local"));
        Assert.StartsWith("127.0.0.1:", connection.Text("remote"), StringComparison.Ordinal);
        Assert.True(connection.Int("receivedBytes") > 0);
    }

    [Fact]
    public async Task A_connection_whose_peer_does_not_read_comes_first_by_its_buffered_bytes()
    {
        await using var server = await StatusServer.StartAsync(
            app: static context => context.Response.Body.WriteAsync(new byte[10_000_000]).AsTask());
        using var others = await server.Server.ConnectAsync();
        using var slow = await server.Server.ConnectAsync();
        await slow.SendAsync("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");

        await Poll.UntilAsync(async () => First(await server.GetConnectionsAsync("?sort=buffered&top=1")) is { } found
            && found.Text("remote") == slow.Socket.LocalEndPoint!.ToString()
            && found.Text("state") == "waits for the peer to read"
            && found.Int("unsentBytes") > 0);
    }

    [Fact]
    public async Task A_connection_that_is_idle_waits_for_its_peer_and_comes_before_one_that_is_used()
    {
        await using var server = await StatusServer.StartAsync();
        await server.GetAsync();
        using var idle = await server.Server.ConnectAsync();

        await Poll.UntilAsync(async () => First(await server.GetConnectionsAsync("?sort=idle")) is { } found
            && found.Text("remote") == idle.Socket.LocalEndPoint!.ToString()
            && found.Text("state") == "waits for the peer to send"
            && found.GetProperty("idleSeconds").GetDouble() > 0.01);
    }

    [Fact]
    public async Task The_oldest_comes_first_by_age()
    {
        await using var server = await StatusServer.StartAsync();
        using var oldest = await ConnectAsync(server);

        var ages = (await server.GetConnectionsAsync("?sort=age"))
            .Select(connection => connection.GetProperty("ageSeconds").GetDouble()).ToArray();

        Assert.Equal(ages.OrderDescending(), ages);
    }

    [Theory]
    [InlineData("rtt")]
    [InlineData("retransmits")]
    public async Task What_the_kernel_knows_gives_an_order_too(string order)
    {
        await using var server = await StatusServer.StartAsync();
        using var other = await ConnectAsync(server);

        var connections = await server.GetConnectionsAsync("?sort=" + order);

        Assert.Equal(2, connections.Length);
        if (OperatingSystem.IsLinux())
        {
            Assert.All(connections, found => Assert.Equal(0, found.Int("retransmits")));
            Assert.All(connections, found => Assert.InRange(
                found.GetProperty("rttMilliseconds").GetDouble(), 0.001, 60_000));
        }
    }

    [Fact]
    public async Task A_search_finds_connections_by_id_address_and_state()
    {
        await using var server = await StatusServer.StartAsync();
        using var other = await ConnectAsync(server);
        var port = ((IPEndPoint)other.Socket.LocalEndPoint!).Port;

        var found = Assert.Single(await server.GetConnectionsAsync($"?q=:{port}"));
        var id = found.Text("id");

        Assert.Equal(id, Assert.Single(await server.GetConnectionsAsync("?q=" + id.ToLowerInvariant())).Text("id"));
        Assert.Equal(id, Assert.Single(await server.GetConnectionsAsync("?q=peer+to+send")).Text("id"));
        var report = (await server.GetAsync("?q=nothing")).GetProperty("connections");
        Assert.Equal((2, 0), (report.Int("total"), report.Int("matches")));
    }

    [Fact]
    public async Task No_more_connections_are_shown_than_asked_for()
    {
        await using var server = await StatusServer.StartAsync();
        using var other = await ConnectAsync(server);

        Assert.Single(await server.GetConnectionsAsync("?top=1"));
        Assert.Empty(await server.GetConnectionsAsync("?top=0"));
        Assert.Equal(2, (await server.GetAsync("?top=1")).GetProperty("connections").Int("matches"));
    }

    [Theory]
    [InlineData("?sort=beauty")]
    [InlineData("?top=201")]
    [InlineData("?top=-1")]
    [InlineData("?top=many")]
    [InlineData("?after=x")]
    public async Task A_query_that_makes_no_sense_is_refused(string query)
    {
        await using var server = await StatusServer.StartAsync();

        using var response = await server.SendAsync(query);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Fact]
    public async Task A_search_is_no_longer_than_a_hundred_characters()
    {
        await using var server = await StatusServer.StartAsync();

        Assert.Empty(await server.GetConnectionsAsync("?q=" + new string('x', 100)));
        using var response = await server.SendAsync("?q=" + new string('x', 101));

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Fact]
    public async Task Datagram_endpoints_are_described()
    {
        await using var server = await StatusServer.StartAsync(
            services: static services => services.AddDatagramCallback(
                "udp://127.0.0.1:0", static (in datagram, sender) => sender.Reply(datagram.Payload, datagram)));
        var datagrams = (await server.GetAsync()).GetProperty("datagrams");
        var endPoint = IPEndPoint.Parse(Assert.Single(datagrams.EnumerateArray()).Text("address"));
        using var client = DatagramServer.Connect(endPoint);
        DatagramServer.RoundTrip(client, [1]);

        await Poll.UntilAsync(async () => (await server.GetAsync()).GetProperty("datagrams")[0] is var found
            && (found.Int("received"), found.Int("sent"), found.Int("droppedSends"), found.Int("failedSends"),
                found.Int("kernelDrops")) == (1, 1, 0, 0, 0));
    }

    [Fact]
    public async Task A_dialed_connection_is_shown_too()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        await using var pair = await transport.DialAsync();
        var monitor = transport.Services.GetService(typeof(EventLoopTransportMonitor)) as EventLoopTransportMonitor;
        var survey = new KestrelEventLoopTransport.Status.ConnectionSurvey();

        var look = Assert.Single(survey.Look(monitor!.Group!.Loops));

        Assert.Equal(KestrelEventLoopTransport.Connections.ConnectionStatus.Application, look.Connection.Status);
    }

    [Fact]
    public async Task History_has_a_sample_a_second_and_only_the_new_ones_are_sent()
    {
        await using var server = await StatusServer.StartAsync();
        Assert.Equal(0, (await server.GetAsync()).GetProperty("history").GetArrayLength());

        await Poll.UntilAsync(async () => (await server.GetAsync()).GetProperty("history").GetArrayLength() >= 2);
        var history = (await server.GetAsync()).GetProperty("history");
        var rest = (await server.GetAsync("?after=1")).GetProperty("history");

        var sample = history[1];
        Assert.Equal(2, sample.Int("number"));
        Assert.Equal(1, sample.Int("connections"));
        Assert.Equal(2, sample.GetProperty("busy").GetArrayLength());
        Assert.All(sample.GetProperty("busy").EnumerateArray(), busy => Assert.InRange(busy.GetDouble(), 0, 1));
        Assert.Contains(
            history.EnumerateArray(),
            one => one.GetProperty("busy").EnumerateArray().Any(busy => busy.GetDouble() > 0));
        Assert.Equal(2, rest[0].Int("number"));
    }

    [Fact]
    [Slow]
    public async Task Thousands_of_connections_give_a_short_answer()
    {
        // Both ends are in this process, which needs descriptors for other tests too.
        var limit = default(Libc.ResourceLimit);
        Assert.Equal(0, Libc.getrlimit(Libc.RLIMIT_NOFILE, ref limit));
        var count = (int)Math.Min(10_000, (limit.Current - 4000) / 2);
        await using var server = await StatusServer.StartAsync();
        var clients = new List<Socket>();
        try
        {
            for (var i = 0; i < count; i++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                clients.Add(socket);
                await socket.ConnectAsync(server.Server.EndPoint).DefaultTimeout();
            }

            await Poll.UntilAsync(async () =>
                (await server.GetAsync()).GetProperty("connections").Int("total") == count + 1);
            using var response = await server.SendAsync("?top=200&sort=rtt");

            Assert.InRange((await response.Content.ReadAsByteArrayAsync()).Length, 10_000, 200_000);
        }
        finally
        {
            clients.ForEach(static socket => socket.Dispose());
        }
    }

    [Fact]
    public void An_application_without_the_transport_has_no_page()
    {
        using var application = WebApplication.CreateSlimBuilder().Build() as IDisposable;

        var exception = Assert.Throws<InvalidOperationException>(
            () => ((WebApplication)application!).MapEventLoopStatus("/loops"));

        Assert.Contains("UseEventLoopTransport()", exception.Message, StringComparison.Ordinal);
    }

    /// <summary>Another connection than the one that asks, which the page has seen.</summary>
    private static async Task<RawClient> ConnectAsync(StatusServer server)
    {
        var other = await server.Server.ConnectAsync();
        await Poll.UntilAsync(async () => (await server.GetConnectionsAsync()).Length == 2);
        return other;
    }

    private static JsonElement? First(JsonElement[] connections) => connections.Length == 0 ? null : connections[0];
}
