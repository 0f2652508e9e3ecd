using System.Text;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Tests;

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
        await using var endpoint = await Endpoint.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\nb\n");
        Assert.Equal(Count * (Length + 1), (await peer.ReceiveToEndAsync()).Length);
        Assert.Null(await handler.End);
        Assert.Equal(1, handler.Frames);
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task Close_from_another_thread_ends_an_idle_connection(EndpointKind kind)
    {
        var handler = new Recorder();
        await using var endpoint = await Endpoint.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();
        var connection = await handler.Connection;
        Assert.True(connection.TrySend("bye"u8));
        connection.Close();
        Assert.Equal("bye\n", await peer.ReceiveToEndAsync());
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
        await using var endpoint = await Endpoint.StartAsync(kind, handler);
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
        await using var endpoint = await Endpoint.StartAsync(
            kind, handler, new FrameHandlerOptions { TickInterval = TimeSpan.FromMilliseconds(100) });
        using var peer = await endpoint.ConnectAsync(receiveBufferSize: 16 * 1024);
        await peer.SendAsync("a\n");
        Assert.Equal("The peer is dead.", Assert.IsType<ConnectionAbortedException>(await handler.End).Message);
        Assert.Empty(handler.Violations);
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task The_server_stops_from_a_callback_and_closes_every_connection(EndpointKind kind)
    {
        var handler = new Recorder
        {
            Frame = static (connection, _) =>
            {
                connection.Write("stopping"u8);
                connection.StopServer();
                return default;
            },
        };
        await using var endpoint = await Endpoint.StartAsync(kind, handler);
        using var first = await endpoint.ConnectAsync();
        using var second = await endpoint.ConnectAsync();
        await first.SendAsync("stop\n");
        await Task.Delay(Timeout.Infinite, endpoint.Lifetime.ApplicationStopping)
            .ContinueWith(static _ => { }, TaskScheduler.Default).DefaultTimeout();
        await endpoint.StopAsync();
        Assert.Equal("stopping\n", await first.ReceiveToEndAsync());
        Assert.Equal("", await second.ReceiveToEndAsync());
        Assert.Null(await handler.End);
    }

    [Fact]
    public void Options_are_checked()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new FrameHandlerOptions { TickInterval = TimeSpan.Zero });
        Assert.Throws<ArgumentOutOfRangeException>(() => new FrameHandlerOptions { TickInterval = TimeSpan.FromDays(50) });
        Assert.Throws<ArgumentOutOfRangeException>(() => new FrameHandlerOptions { MaxQueuedBytes = 0 });
        Assert.Equal(1024 * 1024, new FrameHandlerOptions().MaxQueuedBytes);
        Assert.Null(new FrameHandlerOptions().TickInterval);
    }
}
