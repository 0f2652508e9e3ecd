using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>A peer that has ended its side, and a handler that ends the other.</summary>
public sealed class HalfCloseTests
{
    private const int Answers = 2000;

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task Answers_that_other_threads_prepare_leave_before_the_connection_closes(EndpointKind kind)
    {
        var handler = new Recorder
        {
            PeerFinished = static connection => new(Task.Run(async () =>
            {
                for (var i = 0; i < Answers; i++)
                {
                    await connection.SendAsync(Encoding.ASCII.GetBytes($"{i} {new string('x', 500)}"));
                }
            })),
        };
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\nb\n");
        await peer.ShutdownAsync();

        var lines = (await peer.ReceiveTextToEndAsync()).Split('\n');

        Assert.Equal(Answers + 1, lines.Length);
        Assert.StartsWith($"{Answers - 1} ", lines[^2], StringComparison.Ordinal);
        Assert.Null(await handler.End);
        Assert.Equal(2, handler.Frames);
        Assert.Empty(handler.Violations);
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task The_peer_is_not_said_to_have_finished_if_the_server_closes(EndpointKind kind)
    {
        var calls = 0;
        var handler = new Recorder
        {
            PeerFinished = _ =>
            {
                Interlocked.Increment(ref calls);
                return default;
            },
            Frame = static (connection, _) =>
            {
                connection.Close();
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\nb\n");

        await peer.ReceiveUntilGoneAsync();

        await handler.End;
        Assert.Equal(0, calls);
    }

    [Fact]
    public async Task With_half_close_the_connection_is_open_while_the_handler_answers()
    {
        var wasClosed = true;
        var handler = new Recorder
        {
            PeerFinished = async connection =>
            {
                await Poll.UntilAsync(
                    () => connection.Features.Get<IConnectionHalfCloseFeature>()!.PeerFinished.IsCancellationRequested);
                wasClosed = connection.ConnectionClosed.IsCancellationRequested;
            },
        };
        await using var endpoint = await StartAsync(handler);
        using var peer = await endpoint.ConnectAsync();
        peer.ShutdownSend();

        await peer.ExpectFinAsync();

        Assert.Null(await handler.End);
        Assert.False(wasClosed);
    }

    /// <summary>A wake has the turn, so that the reading loop does not get it.</summary>
    [Fact]
    public async Task A_peer_that_has_finished_and_does_not_read_has_the_close_timeout()
    {
        var time = new ManualTime();
        var calls = 0;
        var sends = Recorder.NewSource<bool>();
        var handler = new Recorder
        {
            PeerFinished = _ =>
            {
                calls++;
                return default;
            },
            Woken = async connection =>
            {
                for (var i = 0; i < 320; i++)
                {
                    var sent = connection.SendAsync(new byte[64 * 1024]);
                    if (!sent.IsCompleted)
                    {
                        sends.TrySetResult(true);
                    }

                    await sent;
                }
            },
        };
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, handler, time: time);
        using var peer = await endpoint.ConnectAsync(static socket => socket.ReceiveBufferSize = 16 * 1024);
        (await handler.Connection).Wake();
        await sends.Task.DefaultTimeout();
        peer.ShutdownSend();

        var end = handler.End;
        await Poll.UntilAsync(() =>
        {
            time.Advance(new FrameHandlerOptions().CloseTimeout!.Value);
            return end.IsCompleted;
        });

        Assert.IsType<ConnectionAbortedException>(await end);
        Assert.Equal(0, calls);
        Assert.Empty(handler.Violations);
    }

    [Fact]
    public async Task A_send_after_StopSendingAsync_says_so()
    {
        var handler = new Recorder();
        await using var endpoint = await StartAsync(handler);
        using var peer = await endpoint.ConnectAsync();
        var connection = await handler.Connection;
        await connection.StopSendingAsync().DefaultTimeout();

        var exception = await Assert.ThrowsAnyAsync<ConnectionAbortedException>(
            () => connection.SendAsync(new byte[1]));

        Assert.Equal("Nothing can be sent after StopSendingAsync was called.", exception.Message);
    }

    [Fact]
    public async Task A_handler_that_has_finished_sending_still_gets_frames()
    {
        var handler = new Recorder
        {
            Frame = static async (connection, frame) =>
            {
                connection.Write(Encoding.ASCII.GetBytes(frame));
                if (frame == "last")
                {
                    await connection.StopSendingAsync();
                    connection.Features.Get<IConnectionHalfCloseFeature>()!.FinishSending();
                }
            },
        };
        await using var endpoint = await StartAsync(handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\nlast\n");

        Assert.Equal("a\nlast\n", await peer.ReceiveTextToEndAsync());

        var connection = await handler.Connection;
        Assert.Equal(SendResult.Closed, connection.TrySend("b"u8));
        await peer.SendAsync("c\nd\n");
        peer.ShutdownSend();
        Assert.Null(await handler.End);
        Assert.Equal(4, handler.Frames);
        Assert.Empty(handler.Violations);
    }

    private static Task<TestServer> StartAsync(FrameHandler handler) => TestServer.StartAsync(new TestSettings
    {
        Scheduling = ApplicationScheduling.Adaptive,
        UsesStock = false,
        Transport = static options => options.EndpointDefaults.AllowHalfClose = true,
        Listen = listen => listen.UseFrameCodec(FrameCodec.Line(1000)).UseFrameHandler(handler),
        Services = static services => services.AddSingleton(TimeProvider.System),
        Grace = TimeSpan.FromSeconds(30),
        Pools = null,
    });
}
