using System.Net;
using KestrelEventLoopTransport.Framing.Tests.Handling;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Framing.Tests.Clients;

/// <summary>A client and a server, over sockets.</summary>
[Collection(ProcessWide.Name)]
public sealed class FrameClientTests
{
    private static readonly FrameClientOptions _impatient = new()
    {
        ReconnectDelay = TimeSpan.FromMilliseconds(1),
        MaxReconnectDelay = TimeSpan.FromMilliseconds(20),
    };

    private static readonly FrameCodec _codec = FrameCodec.Line(1000);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Frames_go_both_ways_and_all_that_was_sent_arrives_before_the_end(bool isEventLoop)
    {
        var received = Recorder.NewSource<string>();
        var atServer = new List<string>();
        var server = new Recorder
        {
            Frame = (connection, frame) =>
            {
                atServer.Add(frame);
                if (frame == "hello")
                {
                    connection.Write("you said hello"u8.ToArray());
                }

                return default;
            },
        };
        var handler = new Recorder
        {
            Frame = (_, frame) =>
            {
                received.TrySetResult(frame);
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, server);
        await using var factory = new ClientFactory(isEventLoop);
        await using var client = new FrameClient(factory, endpoint.EndPoint, _codec, handler);
        Assert.Equal(FrameClientState.NotStarted, client.State);
        Assert.Null(client.Connection);

        var connection = await client.ConnectAsync().DefaultTimeout();
        Assert.Equal(FrameClientState.Connected, client.State);
        Assert.Same(connection, client.Connection);
        Assert.Same(connection, Assert.Single(client.Endpoint.Connections));
        await client.SendAsync("hello"u8.ToArray());
        Assert.Equal("you said hello", await received.Task.DefaultTimeout());
        Assert.Equal(SendResult.Accepted, client.TrySend("bye"u8));
        await client.StopAsync().DefaultTimeout();

        Assert.Null(await handler.End);
        Assert.Null(await server.End);
        Assert.Equal(["hello", "bye"], atServer);
        Assert.Equal(FrameClientState.Stopped, client.State);
        Assert.Null(client.Connection);
        Assert.Equal(SendResult.Closed, client.TrySend("late"u8));
        Assert.Empty(handler.Violations);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_frame_that_is_sent_before_there_is_a_server_waits_for_it(bool isEventLoop)
    {
        var endPoint = new IPEndPoint(IPAddress.Loopback, FreePort.Next());
        var received = Recorder.NewSource<string>();
        var server = new Recorder
        {
            Frame = (_, frame) =>
            {
                received.TrySetResult(frame);
                return default;
            },
        };
        await using var factory = new ClientFactory(isEventLoop);
        await using var client = new FrameClient(factory, endPoint, _codec, new Recorder(), _impatient);
        var sending = client.SendAsync("early"u8.ToArray());
        await client.StartAsync();
        await Poll.UntilAsync(() => client.State == FrameClientState.Waiting);
        Assert.False(sending.IsCompleted);
        Assert.Equal(SendResult.Closed, client.TrySend("lost"u8));

        await using var endpoint = await StartServerAsync(endPoint, server);

        await sending.DefaultTimeout();
        Assert.Equal("early", await received.Task.DefaultTimeout());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task When_the_server_is_restarted_the_client_is_connected_again(bool isEventLoop)
    {
        var endPoint = new IPEndPoint(IPAddress.Loopback, FreePort.Next());
        var handler = new Recorder();
        await using var factory = new ClientFactory(isEventLoop);
        await using var client = new FrameClient(factory, endPoint, _codec, handler, _impatient);
        FrameConnection first;
        await using (await StartServerAsync(endPoint, new Recorder()))
        {
            first = await client.ConnectAsync().DefaultTimeout();
        }

        await handler.End;
        var server = new Recorder();
        await using var endpoint = await StartServerAsync(endPoint, server);

        // The first connection may still be in place for a moment: what is sent to it fails.
        await Poll.UntilAsync(() => client.Connection is { } connection && connection != first);
        await client.SendAsync("again"u8.ToArray()).DefaultTimeout();
        await Poll.UntilAsync(() => server.Frames == 1);
        Assert.Empty(handler.Violations);
    }

    [Fact]
    public async Task A_callback_that_throws_ends_its_connection_and_not_the_client()
    {
        var connections = 0;
        var handler = new Recorder
        {
            Connected = _ => Interlocked.Increment(ref connections) == 1
                ? throw new InvalidOperationException("A bug of the application.")
                : default,
        };
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, new Recorder());
        await using var factory = new ClientFactory(isEventLoop: true);
        await using var client = new FrameClient(factory, endpoint.EndPoint, _codec, handler, _impatient);

        await client.ConnectAsync().DefaultTimeout();

        Assert.IsType<InvalidOperationException>(await handler.End);
        Assert.Equal(2, connections);
    }

    /// <summary>A heart-beat that is not answered: the peer may be gone without a word.</summary>
    [Fact]
    public async Task A_server_that_has_gone_silent_is_left_and_connected_to_anew()
    {
        var server = new Recorder();
        var handler = new Recorder
        {
            Tick = static connection =>
            {
                connection.Write("ping"u8);
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, server);
        await using var factory = new ClientFactory(isEventLoop: true);
        await using var client = new FrameClient(factory, endpoint.EndPoint, _codec, handler, new FrameClientOptions
        {
            ReconnectDelay = TimeSpan.FromMilliseconds(1),
            Handler = new FrameHandlerOptions
            {
                TickInterval = TimeSpan.FromMilliseconds(10),
                ReceiveIdleTimeout = TimeSpan.FromMilliseconds(100),
            },
        });
        var first = await client.ConnectAsync().DefaultTimeout();

        Assert.IsType<TimeoutException>(Assert.IsType<ConnectionAbortedException>(await handler.End).InnerException);
        await Poll.UntilAsync(() => client.Connection is { } connection && connection != first);
        await Poll.UntilAsync(() => server.Frames > 0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task No_socket_is_left_whenever_the_client_is_stopped(bool isEventLoop)
    {
        const int Clients = 60;
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, new Recorder());
        await using var factory = new ClientFactory(isEventLoop);
        await (await factory.ConnectAsync(endpoint.EndPoint)).DisposeAsync();
        await Poll.UntilAsync(() => endpoint.Services.GetRequiredService<EventLoopTransportMonitor>()
            .GetLoopStatistics().Sum(static loop => loop.ConnectionCount) == 0);
        var start = ProcessState.Capture();

        for (var i = 0; i < Clients; i++)
        {
            await using var client = new FrameClient(
                factory, endpoint.EndPoint, _codec, new Recorder(), _impatient);
            await client.StartAsync();
            for (var spins = 0; spins < i; spins++)
            {
                await Task.Yield();
            }
        }

        await Poll.UntilAsync(() => ProcessState.Capture().HasNoMoreDescriptorsThan(start));
    }

    private static Task<TestServer> StartServerAsync(EndPoint endPoint, FrameHandler handler)
        => TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            EndPoint = endPoint,
            Listen = listen => listen.UseFrameCodec(_codec).UseFrameHandler(handler),
            Pools = null,
        });
}
