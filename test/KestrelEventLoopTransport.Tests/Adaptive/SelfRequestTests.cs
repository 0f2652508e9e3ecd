using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>Handlers that wait, with their thread, for the loop that runs them.</summary>
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock runs handlers on the thread pool, or inline and unprotected.")]
public sealed class SelfRequestTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public async Task A_handler_that_waits_for_HttpClient_on_its_own_server_finishes(int depth)
    {
        using var http = new HttpClient();
        await AssertFinishesAsync(depth, (endPoint, path)
            => http.GetStringAsync(new Uri($"http://{endPoint}{path}")).GetAwaiter().GetResult());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public async Task A_handler_that_waits_for_a_blocking_socket_on_its_own_server_finishes(int depth)
        => await AssertFinishesAsync(depth, static (endPoint, path) =>
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            socket.ReceiveTimeout = (int)TaskTimeoutExtensions.Default.TotalMilliseconds;
            socket.Connect(endPoint);
            socket.Send(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"));
            using var reader = new StreamReader(new NetworkStream(socket));
            return reader.ReadToEnd().Split("\r\n\r\n")[1];
        });

    [Fact]
    public async Task Handlers_that_wait_for_each_other_finish()
    {
        const int Handlers = 6;
        using var all = new CountdownEvent(Handlers);
        await using var server = await StartAsync(context =>
        {
            if (context.Request.Path == "/meet")
            {
                all.Signal();
                Assert.True(all.Wait(TaskTimeoutExtensions.Default));
            }

            return TestApp.RespondAsync(context, Thread.CurrentThread.Name ?? "none");
        });
        var peers = new List<HttpPeer>();
        try
        {
            for (var i = 0; i < Handlers; i++)
            {
                peers.Add(await TestApp.ConnectToLoopAsync(server));
            }

            await Task.WhenAll(peers.Select(static peer => peer.SendAsync("/meet")));
            foreach (var peer in peers)
            {
                Assert.True(TestApp.IsLoopThread(await peer.ReceiveAsync()));
            }
        }
        finally
        {
            peers.ForEach(static peer => peer.Dispose());
        }
    }

    private static async Task AssertFinishesAsync(int depth, Func<IPEndPoint, string, string> request)
    {
        IPEndPoint? endPoint = null;
        await using var server = await StartAsync(context =>
        {
            var path = context.Request.Path.Value!;
            if (path == TestApp.ThreadName)
            {
                return TestApp.RespondAsync(context, Thread.CurrentThread.Name ?? "none");
            }

            var left = path[1] - '0';
            return TestApp.RespondAsync(context, left == 0 ? "." : left + request(endPoint!, $"/{left - 1}"));
        });
        endPoint = (IPEndPoint)server.EndPoint;
        using var peer = await TestApp.ConnectToLoopAsync(server);

        for (var i = 0; i < 3; i++)
        {
            var expected = string.Concat(Enumerable.Range(1, depth).Reverse()) + ".";
            Assert.Equal(expected, await peer.GetAsync($"/{depth}"));
        }
    }

    private static Task<TestServer> StartAsync(RequestDelegate app)
        => TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Transport = static options => options.EventLoopCount = 1,
            App = app,
        });
}
