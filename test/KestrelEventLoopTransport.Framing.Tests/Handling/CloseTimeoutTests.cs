using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Framing.Tests;

/// <summary>A connection that is to be closed does not wait for its peer for ever.</summary>
public sealed class CloseTimeoutTests
{
    // More than the kernel's buffers take.
    private const int Frames = 320;
    private const int FrameLength = 64 * 1024 - 1;

    private static readonly TimeSpan _timeout = new FrameHandlerOptions().CloseTimeout!.Value;

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task A_peer_that_does_not_read_is_aborted_by_default(EndpointKind kind)
    {
        var time = new ManualTime();
        var handler = WriteAndClose();
        await using var endpoint = await Endpoint.StartAsync(kind, handler, time: time);
        using var peer = await endpoint.ConnectAsync(receiveBufferSize: 16 * 1024);
        await peer.SendAsync("a\n");
        while (!handler.End.IsCompleted)
        {
            time.Advance(_timeout);
            await Task.Delay(1);
        }
        Assert.Contains(
            "has not read", Assert.IsType<ConnectionAbortedException>(await handler.End).Message, StringComparison.Ordinal);
    }

    /// <summary>The peer's own end is a reason to close, too.</summary>
    [Fact]
    public async Task A_peer_that_has_finished_and_does_not_read_is_aborted()
    {
        var time = new ManualTime();
        var handler = new Recorder
        {
            Frame = static (connection, _) =>
            {
                Write(connection);
                return default;
            },
        };
        await using var endpoint = await Endpoint.StartAsync(EndpointKind.EventLoop, handler, time: time);
        using var peer = await endpoint.ConnectAsync(receiveBufferSize: 16 * 1024);
        await peer.SendAsync("a\n");
        await peer.ShutdownAsync();
        var connection = await handler.Connection;
        while (!connection.ConnectionClosed.IsCancellationRequested)
        {
            await Task.Delay(1);
        }
        connection.Close();
        while (!handler.End.IsCompleted)
        {
            time.Advance(_timeout);
            await Task.Delay(1);
        }
        Assert.IsType<ConnectionAbortedException>(await handler.End);
    }

    [Theory]
    [InlineData(EndpointKind.EventLoop)]
    [InlineData(EndpointKind.Sockets)]
    public async Task A_peer_that_reads_slowly_gets_everything(EndpointKind kind)
    {
        var time = new ManualTime();
        var handler = WriteAndClose();
        await using var endpoint = await Endpoint.StartAsync(kind, handler, time: time);
        using var peer = await endpoint.ConnectAsync(receiveBufferSize: 16 * 1024);
        await peer.SendAsync("a\n");
        for (var i = 0; i < 2; i++)
        {
            // What is read is more than what the kernel keeps: something has gone since.
            for (var j = 0; j < Frames / 2; j++)
            {
                Assert.Equal(FrameLength, (await peer.ReceiveLineAsync())!.Length);
            }
            time.Advance(_timeout * 0.9);
        }
        Assert.Equal("", await peer.ReceiveToEndAsync());
        Assert.Null(await handler.End);
    }

    /// <summary>The transport may have taken it all, and nobody else looks whether it can send it.</summary>
    [Fact]
    public async Task What_the_transport_cannot_send_is_dropped_when_the_handler_is_done()
    {
        var time = new ManualTime();
        var handler = WriteAndClose();
        await using var endpoint = await Endpoint.StartAsync(
            EndpointKind.EventLoop,
            listen => listen.UseFrameCodec(FrameCodec.Line(100_000)).UseFrameHandler(handler),
            services => services.AddSingleton<TimeProvider>(time)
                .Configure<EventLoopTransportOptions>(static transport => transport.MaxWriteBufferSize = null));
        using var peer = await endpoint.ConnectAsync(receiveBufferSize: 16 * 1024);
        await peer.SendAsync("a\n");
        Assert.Null(await handler.End);

        // The clock that counts starts a little later than that.
        while (true)
        {
            time.Advance(_timeout);
            using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
            try
            {
                await peer.WaitUntilBrokenAsync(patience.Token);
                break;
            }
            catch (OperationCanceledException)
            {
            }
        }
    }

    private static Recorder WriteAndClose() => new()
    {
        Frame = static (connection, _) =>
        {
            Write(connection);
            connection.Close();
            return default;
        },
    };

    private static void Write(FrameConnection connection)
    {
        var frame = new byte[FrameLength];
        frame.AsSpan().Fill((byte)'x');
        for (var i = 0; i < Frames; i++)
        {
            connection.Write(frame);
        }
    }
}
