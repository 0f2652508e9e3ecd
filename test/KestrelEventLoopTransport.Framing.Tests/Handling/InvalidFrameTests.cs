using System.Buffers;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Hosting;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>What is not a frame can be answered, in its place.</summary>
public sealed class InvalidFrameTests
{
    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task A_frame_that_is_too_long_is_answered_before_the_connection_is_closed(EndpointKind kind)
    {
        var handler = Answer();
        await using var endpoint = await FrameServer.StartAsync(
            kind,
            listen => listen
                .UseFrameCodec(FrameCodec.LengthPrefixed(16), FrameCodec.Line(200))
                .UseFrameHandler(handler));
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("\0\0\0\u0001a\u0080\0\0\0");
        Assert.Equal(
            "ok\nTooLong A frame has 2147483648 bytes; the codec's maximum is 16.\n",
            await peer.ReceiveTextToEndAsync());
        Assert.Equal(FrameError.TooLong, Assert.IsType<FrameException>(await handler.End).Error);
        Assert.Empty(handler.Violations);
    }

    /// <summary>However the bytes are cut: a reader may learn it while it waits, or among other frames.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_frame_that_is_dropped_is_answered_in_its_place(bool byteByByte)
    {
        var handler = Answer();
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop,
            listen => listen
                .UseFrameCodec(
                    FrameCodec.Line(8),
                    FrameCodec.Line(200),
                    new() { OversizedFrame = OversizedFrameBehavior.Discard })
                .UseFrameHandler(handler));
        using var peer = await endpoint.ConnectAsync();
        const string Lines = "a\ntoo-long-line\r\nb\nanother long line\nyet another one\n";
        if (byteByByte)
        {
            foreach (var character in Lines)
            {
                await peer.SendAsync(character.ToString());
            }
        }
        else
        {
            await peer.SendAsync(Lines);
        }

        await peer.ShutdownAsync();
        static string TooLong(int length) => $"TooLong A frame has {length} bytes; the codec's maximum is 8.\n";
        Assert.Equal($"ok\n{TooLong(13)}ok\n{TooLong(17)}{TooLong(15)}", await peer.ReceiveTextToEndAsync());
        Assert.Null(await handler.End);
        Assert.Empty(handler.Violations);
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task A_frame_that_is_cut_off_is_answered(EndpointKind kind)
    {
        var handler = Answer();
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\nb");
        await peer.ShutdownAsync();
        Assert.Equal("ok\nTruncated The stream ended inside a frame.\n", await peer.ReceiveTextToEndAsync());
        Assert.Equal(FrameError.Truncated, Assert.IsType<FrameException>(await handler.End).Error);
    }

    [Fact]
    public async Task An_answer_may_take_its_time_and_may_fail()
    {
        var handler = new Recorder
        {
            Invalid = static async (connection, _) =>
            {
                await Task.Yield();
                connection.Write("sorry"u8);
                throw new InvalidOperationException("on purpose");
            },
        };
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop, handler, codec: FrameCodec.Line(8));
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("much too long");
        Assert.Equal("sorry\n", await peer.ReceiveTextToEndAsync());
        Assert.Equal("on purpose", (await handler.End)!.Message);
        await endpoint.StopAsync();
        Assert.Contains("OnInvalidFrameAsync", endpoint.Logs.TakeSingle().ToString(), StringComparison.Ordinal);
    }

    /// <summary>A peer can make a codec throw. Whose fault it is must be easy to see.</summary>
    [Fact]
    public async Task A_codec_that_throws_is_named()
    {
        var handler = new Recorder();
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop, handler, codec: new ThrowingCodec());
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("x");
        await peer.ReceiveUntilGoneAsync();
        await handler.End;
        await endpoint.StopAsync();
        Assert.Contains("ThrowingCodec.Scan", endpoint.Logs.TakeSingle().ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_or_a_codec_may_blame_the_peer()
    {
        var handler =
            new Recorder { Frame = static (_, _) => throw new FrameException(FrameError.Corrupted, "nonsense") };
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("x\n");
        await peer.ReceiveUntilGoneAsync();

        // The endpoint fails the test if it was logged above Debug.
        Assert.Equal("nonsense", (await handler.End)!.Message);
    }

    private static Recorder Answer() => new()
    {
        Frame = static (connection, _) =>
        {
            connection.Write("ok"u8);
            return default;
        },
        Invalid = static (connection, exception) =>
        {
            connection.Write(Encoding.ASCII.GetBytes(
                string.Create(CultureInfo.InvariantCulture, $"{exception.Error} {exception.Message}")));
            return default;
        },
    };

    private sealed class ThrowingCodec() : CustomFrameCodec(100)
    {
        protected override FrameScanResult Scan(ReadOnlySequence<byte> bytes, ref FrameScanState state)
            => throw new FormatException("on purpose");

        protected override void Encode(FramePayload frame, IBufferWriter<byte> output) => frame.WriteTo(output);
    }
}
