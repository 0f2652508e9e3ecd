using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>A closing connection waits for its peer for a limited time.</summary>
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
        await using var endpoint = await FrameServer.StartAsync(kind, handler, time: time);
        using var peer = await endpoint.ConnectAsync(static socket => socket.ReceiveBufferSize = 16 * 1024);
        await peer.SendAsync("a\n");
        var end = handler.End;
        await Poll.UntilAsync(() => HasEnded(end, time));
        Assert.Contains(
            "has not read",
            Assert.IsType<ConnectionAbortedException>(await handler.End).Message,
            StringComparison.Ordinal);
    }

    /// <summary>The reading loop is waiting for the peer then, and not for frames.</summary>
    [Fact]
    public async Task Close_from_another_thread_while_the_peer_does_not_read_has_the_limit_too()
    {
        var time = new ManualTime();
        var written = Recorder.NewSource<bool>();
        var handler = new Recorder
        {
            Frame = (connection, _) =>
            {
                Write(connection);
                written.SetResult(true);
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, handler, time: time);
        using var peer = await endpoint.ConnectAsync(static socket => socket.ReceiveBufferSize = 16 * 1024);
        await peer.SendAsync("a\n");
        await peer.ShutdownAsync();
        await written.Task.DefaultTimeout();
        (await handler.Connection).Close();
        var end = handler.End;
        await Poll.UntilAsync(() => HasEnded(end, time));
        Assert.IsType<ConnectionAbortedException>(await end);
    }

    [Theory]
    [InlineData(EndpointKind.EventLoop)]
    [InlineData(EndpointKind.Sockets)]
    public async Task A_peer_that_reads_slowly_gets_everything(EndpointKind kind)
    {
        var time = new ManualTime();
        var handler = WriteAndClose();
        await using var endpoint = await FrameServer.StartAsync(kind, handler, time: time);
        using var peer = await endpoint.ConnectAsync(static socket => socket.ReceiveBufferSize = 16 * 1024);
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

        Assert.Equal("", await peer.ReceiveTextToEndAsync());
        Assert.Null(await handler.End);
    }

    /// <summary>
    /// The transport may have taken all bytes. Only the close timer notices that it cannot send them.
    /// </summary>
    [Fact]
    public async Task What_the_transport_cannot_send_is_dropped_when_the_handler_is_done()
    {
        var time = new ManualTime();
        var handler = WriteAndClose();
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop,
            listen => listen.UseFrameCodec(FrameCodec.Line(100_000)).UseFrameHandler(handler),
            services => services.AddSingleton<TimeProvider>(time)
                .Configure<EventLoopTransportOptions>(static transport => transport.MaxWriteBufferSize = null));
        using var peer = await endpoint.ConnectAsync(static socket => socket.ReceiveBufferSize = 16 * 1024);
        await peer.SendAsync("a\n");
        Assert.Null(await handler.End);

        await Poll.UntilAsync(() =>
        {
            time.Advance(_timeout);
            return IsBroken(peer);
        });
    }

    // Whether the connection was reset. It does not read, which would let the server send.
    private static bool IsBroken(RawClient peer)
        => (int)peer.Socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)! != 0;

    // The clock that counts may start a little later than that.
    private static bool HasEnded(Task end, ManualTime time)
    {
        time.Advance(_timeout);
        return end.IsCompleted;
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
