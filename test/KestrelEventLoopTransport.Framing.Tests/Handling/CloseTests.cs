using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Hosting;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>How the application ends connections and the server.</summary>
public sealed class CloseTests
{
    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task Close_comes_after_everything_that_was_written_and_before_the_next_frame(EndpointKind kind)
    {
        const int Length = 90_000;
        const int Count = 50;
        var handler = new Recorder
        {
            Frame = static (connection, _) =>
            {
                for (var i = 0; i < Count; i++)
                {
                    connection.Write(Encoding.ASCII.GetBytes(new string('x', Length)));
                }

                connection.Close();
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\nb\n");
        Assert.Equal(Count * (Length + 1), (await peer.ReceiveTextToEndAsync()).Length);
        Assert.Null(await handler.End);
        Assert.Equal(1, handler.Frames);
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task Close_from_another_thread_ends_an_idle_connection(EndpointKind kind)
    {
        var handler = new Recorder();
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();
        var connection = await handler.Connection;
        Assert.Equal(SendResult.Accepted, connection.TrySend("bye"u8));
        connection.Close();
        Assert.Equal("bye\n", await peer.ReceiveTextToEndAsync());
        Assert.Null(await handler.End);
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task Abort_ends_it_at_once(EndpointKind kind)
    {
        var handler = new Recorder
        {
            Frame = static (connection, _) =>
            {
                connection.Abort("enough");
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\nb\nc\n");
        Assert.Equal("enough", Assert.IsType<ConnectionAbortedException>(await handler.End).Message);
        await peer.ReceiveUntilGoneAsync();
        Assert.Equal(1, handler.Frames);
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task A_tick_can_abort_a_peer_that_does_not_read(EndpointKind kind)
    {
        var stuck = false;
        var handler = new Recorder
        {
            Frame = (connection, _) =>
            {
                for (var i = 0; i < 400; i++)
                {
                    connection.Write(new byte[90_000]);
                }

                connection.Close();
                Volatile.Write(ref stuck, true);
                return default;
            },
            Tick = connection =>
            {
                if (Volatile.Read(ref stuck))
                {
                    connection.Abort("The peer is dead.");
                }

                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(
            kind, handler, new FrameHandlerOptions { TickInterval = TimeSpan.FromMilliseconds(100) });
        using var peer = await endpoint.ConnectAsync(static socket => socket.ReceiveBufferSize = 16 * 1024);
        await peer.SendAsync("a\n");
        Assert.Equal("The peer is dead.", Assert.IsType<ConnectionAbortedException>(await handler.End).Message);
        Assert.Empty(handler.Violations);
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task The_server_stops_from_a_callback_and_closes_every_connection(EndpointKind kind)
    {
        IHostApplicationLifetime? host = null;
        var handler = new Recorder
        {
            Frame = (connection, _) =>
            {
                connection.Write("stopping"u8);
                host!.StopApplication();
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        host = endpoint.Lifetime;
        using var first = await endpoint.ConnectAsync();
        using var second = await endpoint.ConnectAsync();
        var connection = await handler.Connection;
        await Poll.UntilAsync(() => connection.Endpoint.ConnectionCount == 2);
        await first.SendAsync("stop\n");
        await Task.Delay(Timeout.Infinite, endpoint.Lifetime.ApplicationStopping)
            .ContinueWith(static _ => { }, TaskScheduler.Default).DefaultTimeout();
        await endpoint.StopAsync();
        Assert.Equal("stopping\n", await first.ReceiveTextToEndAsync());
        Assert.Equal("", await second.ReceiveTextToEndAsync());
        Assert.Null(await handler.End);
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task What_a_callback_sends_after_it_has_closed_does_not_arrive(EndpointKind kind)
    {
        var handler = new Recorder
        {
            Frame = static async (connection, _) =>
            {
                connection.Write("before"u8);
                connection.Close();
                Assert.True(connection.IsClosing);
                connection.Write("after"u8);
                Assert.Equal(SendResult.Closed, connection.TrySend("after"u8));
                await Assert.ThrowsAnyAsync<ConnectionAbortedException>(
                    () => connection.SendAsync("after"u8.ToArray()));
                await Task.Yield();
                connection.Write("after"u8);
            },
        };
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\nb\n");
        Assert.Equal("before\n", await peer.ReceiveTextToEndAsync());
        Assert.Null(await handler.End);
        Assert.Equal(1, handler.Frames);
    }

    /// <summary>A sender may be the first to notice the end. The peer must not be blamed for not reading.</summary>
    [Theory]
    [InlineData(EndpointKind.EventLoop, false)]
    [InlineData(EndpointKind.EventLoop, true)]
    [InlineData(EndpointKind.Sockets, false)]
    [InlineData(EndpointKind.Sockets, true)]
    public async Task After_a_reset_the_connection_is_closing_and_its_end_is_the_reset(EndpointKind kind, bool awaits)
    {
        var entered = Recorder.NewSource<bool>();
        var reset = Recorder.NewSource<bool>();
        var handler = new Recorder
        {
            // Nothing reads from the connection while this runs.
            Frame = async (connection, _) =>
            {
                entered.SetResult(true);
                await reset.Task;
                var result = SendResult.Accepted;
                while (result is not SendResult.Closed)
                {
                    // Slow enough for a queue that a thread, which was stopped, has not taken yet.
                    await Task.Delay(1);
                    result = connection.TrySend("are you there?"u8);
                    Assert.NotEqual(SendResult.QueueFull, result);
                }

                Assert.True(connection.IsClosing);
                if (awaits)
                {
                    await connection.SendAsync("are you there?"u8.ToArray());
                }
            },
        };
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\n");
        await entered.Task.DefaultTimeout();
        peer.Reset();
        reset.SetResult(true);

        // Of a reset the kernel tells one call: where that is stock's send, its read sees an ordinary end.
        var end = await handler.End;
        Assert.True(
            end is ConnectionResetException || (kind is EndpointKind.Sockets && end is ConnectionAbortedException),
            $"{end}");
    }

    [Fact]
    public void Options_are_checked()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new FrameHandlerOptions { TickInterval = TimeSpan.Zero });
        Assert.Throws<ArgumentOutOfRangeException>(
            () => new FrameHandlerOptions { TickInterval = TimeSpan.FromDays(50) });
        Assert.Throws<ArgumentOutOfRangeException>(() => new FrameHandlerOptions { CloseTimeout = TimeSpan.Zero });
        Assert.Throws<ArgumentOutOfRangeException>(
            () => new FrameHandlerOptions { CloseTimeout = TimeSpan.FromDays(50) });
        Assert.Throws<ArgumentOutOfRangeException>(() => new FrameHandlerOptions { MaxQueuedBytes = 0 });
        Assert.Equal(TimeSpan.FromSeconds(30), new FrameHandlerOptions().CloseTimeout);
        Assert.Null(new FrameHandlerOptions { CloseTimeout = null }.CloseTimeout);
        Assert.Equal(1024 * 1024, new FrameHandlerOptions().MaxQueuedBytes);
        Assert.Null(new FrameHandlerOptions().TickInterval);
    }
}
