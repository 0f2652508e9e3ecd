using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary><c>UseFrameCodec</c> with a connection handler written as a loop.</summary>
public sealed class ReadFramesTests
{
    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task A_loop_over_the_frames_ends_when_the_peer_does(EndpointKind kind)
    {
        await using var endpoint = await FrameServer.StartAsync(kind, EchoAsync);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\nb");
        Assert.Equal("a", await peer.ReceiveLineAsync());
        await peer.SendAsync("c\n");
        await peer.ShutdownAsync();
        Assert.Equal("bc\n", await peer.ReceiveTextToEndAsync());
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task A_loop_over_the_frames_ends_when_the_server_stops(EndpointKind kind)
    {
        await using var endpoint = await FrameServer.StartAsync(kind, EchoAsync);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\n");
        Assert.Equal("a", await peer.ReceiveLineAsync());
        await endpoint.StopAsync();
        Assert.Equal("", await peer.ReceiveTextToEndAsync());
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task What_the_peer_does_wrong_ends_the_connection_and_is_no_error(EndpointKind kind)
    {
        await using var endpoint = await FrameServer.StartAsync(kind, EchoAsync);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\n" + new string('x', 2000));
        Assert.Equal("a", await peer.ReceiveLineAsync());
        await peer.ReceiveUntilGoneAsync();
    }

    [Theory]
    [InlineData(EndpointKind.EventLoopTls)]
    [InlineData(EndpointKind.SocketsTls)]
    public async Task What_is_not_TLS_ends_the_connection_and_is_no_error(EndpointKind kind)
    {
        await using var endpoint = await FrameServer.StartAsync(kind, EchoAsync);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\n");
        Assert.Equal("a", await peer.ReceiveLineAsync());
        await peer.Socket.SendAsync("this is no record of TLS\n"u8.ToArray()).DefaultTimeout();
        await peer.ReceiveUntilGoneAsync();
    }

    [Fact]
    public async Task The_codec_may_stand_before_TLS()
    {
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop,
            listen =>
            {
                listen.UseFrameCodec(FrameCodec.Line(100)).UseHttps(TestCertificate.Instance);
                listen.Run(EchoAsync);
            });
        using var peer = await RawClient.ConnectAsync(endpoint.EndPoint, tls: true);
        await peer.SendAsync("a\n");
        Assert.Equal("a", await peer.ReceiveLineAsync());
    }

    [Theory]
    [InlineData("handler")]
    [InlineData("handler from the services")]
    [InlineData("codec behind the handler")]
    public async Task A_handler_without_a_codec_before_it_does_not_start(string what)
    {
        var exception = await Assert.ThrowsAsync<InvalidOperationException>(
            () => FrameServer.StartAsync(EndpointKind.EventLoop, listen =>
        {
            if (what == "handler from the services")
            {
                listen.UseFrameHandler<Recorder>();
            }
            else
            {
                listen.UseFrameHandler(new Recorder());
            }

            if (what == "codec behind the handler")
            {
                listen.UseFrameCodec(FrameCodec.Line(10));
            }
        }));
        Assert.Contains("UseFrameCodec", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_loop_without_a_codec_fails_with_an_error_that_says_so()
    {
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop, static listen => listen.Run(EchoAsync));
        using var peer = await endpoint.ConnectAsync();
        await peer.ReceiveUntilGoneAsync();
        await endpoint.StopAsync();
        Assert.Contains("UseFrameCodec", endpoint.Logs.TakeSingle().ToString(), StringComparison.Ordinal);
    }

    private static async Task EchoAsync(ConnectionContext connection)
    {
        var writer = connection.GetFrameWriter();
        await foreach (var frame in connection.ReadFramesAsync())
        {
            writer.Write(frame);
            await writer.FlushAsync();
        }
    }
}
