using System.Buffers;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Hosting;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>Codecs that change, that have a state, and that are not the same both ways.</summary>
public sealed class SwitchTests
{
    /// <summary>As memcached's "set": a line that says how long the bytes behind it are.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(1000)]
    public async Task A_callback_switches_to_another_codec_for_the_next_frame(int bytesAtOnce)
    {
        var line = FrameCodec.Line(100);
        var handler = new Recorder
        {
            Frame = async (connection, frame) =>
            {
                if (connection.Codec != line)
                {
                    connection.Write(Encoding.Latin1.GetBytes($"data {frame.ReplaceLineEndings("|")}"));
                    connection.SwitchCodec(line);
                    return;
                }

                await Task.Yield();
                var words = frame.Split(' ');
                if (words is ["set", var length])
                {
                    connection.SwitchCodec(
                        FrameCodec.FixedLength(int.Parse(length, CultureInfo.InvariantCulture)), line);
                }

                connection.Write(Encoding.Latin1.GetBytes($"line {frame}"));
            },
        };
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, handler, codec: line);
        using var peer = await endpoint.ConnectAsync();
        const string Sent = "get\nset 5\na\nb\ncset 1\n\nget\n";
        foreach (var piece in Sent.Chunk(bytesAtOnce))
        {
            await peer.SendAsync(new string(piece));
        }

        foreach (var expected in (string[])["line get", "line set 5", "data a|b|c", "line set 1", "data |", "line get"])
        {
            Assert.Equal(expected, await peer.ReceiveLineAsync());
        }

        Assert.Empty(handler.Violations);
    }

    [Fact]
    public async Task The_codec_is_not_switched_where_the_next_frame_may_be_half_read()
    {
        var failure = Recorder.NewSource<Exception?>();
        var handler = new Recorder
        {
            Connected = static connection =>
            {
                connection.SwitchCodec(FrameCodec.Line(10, LineEnding.CrLf));
                return default;
            },
            Woken = connection =>
            {
                failure.SetResult(Record.Exception(() => connection.SwitchCodec(FrameCodec.Line(10))));
                return default;
            },
            Frame = static (connection, _) =>
            {
                connection.Write("answer"u8);
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, handler);
        using var peer = await endpoint.ConnectAsync();
        (await handler.Connection).Wake();
        Assert.IsType<InvalidOperationException>(await failure.Task.DefaultTimeout());
        await peer.SendAsync("a\n");
        await peer.ShutdownAsync();
        Assert.Equal("answer\r\n", await peer.ReceiveTextToEndAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task No_frame_follows_the_switch_in_the_old_codec(bool broadcasts)
    {
        using var encoding = new Roadblock();
        var handler = new Recorder
        {
            Frame = async (connection, _) =>
            {
                var other = Task.Run(() => broadcasts
                    ? connection.Endpoint.Broadcast("other"u8) == 1
                    : connection.TrySend("other"u8) is SendResult.Accepted);
                await encoding.UntilArrivedAsync(1);
                connection.SwitchCodec(FrameCodec.Line(10));
                connection.Write("mine"u8);
                encoding.Open();
                Assert.True(await other.DefaultTimeout());
                connection.Close();
            },
        };
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop, handler, codec: new SlowCodec(encoding));
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a");

        Assert.Equal("mine\nother\n", await peer.ReceiveTextToEndAsync());
        Assert.Null(await handler.End);
    }

    [Fact]
    public async Task Each_connection_may_have_a_codec_of_its_own()
    {
        var handler = new Recorder
        {
            Frame = static (connection, frame) =>
            {
                ((CountingCodec)connection.Codec).Frames++;
                connection.Write(Encoding.Latin1.GetBytes(frame));
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop,
            listen => listen.UseFrameCodec(static _ => new CountingCodec()).UseFrameHandler(handler));
        using var first = await endpoint.ConnectAsync();
        using var second = await endpoint.ConnectAsync();

        // Each frame is one byte longer than the one before.
        await first.SendAsync("122333");
        Assert.Equal("1", await first.ReceiveLineAsync());
        Assert.Equal("22", await first.ReceiveLineAsync());
        Assert.Equal("333", await first.ReceiveLineAsync());
        await second.SendAsync("122");
        Assert.Equal("1", await second.ReceiveLineAsync());
        Assert.Equal("22", await second.ReceiveLineAsync());
    }

    /// <summary>memcached: two items of 600 KB for a request of 1 KB.</summary>
    [Fact]
    public async Task Answers_may_be_longer_than_requests()
    {
        var handler = new Recorder
        {
            Frame = static (connection, _) =>
            {
                connection.Write(new byte[1_200_000]);
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop,
            listen => listen.UseFrameCodec(FrameCodec.Line(10), FrameCodec.Line(2_000_000)).UseFrameHandler(handler));
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\n");
        Assert.Equal(1_200_000, (await peer.ReceiveLineAsync())!.Length);
        await peer.SendAsync("more than ten bytes\n");
        await peer.ReceiveUntilGoneAsync();
        Assert.IsType<FrameException>(await handler.End);
    }

    [Fact]
    public async Task Encoded_bytes_are_sent_as_they_are()
    {
        var handler = new Recorder
        {
            Frame = static async (connection, _) =>
            {
                connection.WriteEncoded("1\n2\n"u8);
                Assert.Equal(SendResult.Accepted, connection.TrySendEncoded("3\n4"u8));
                await connection.SendEncodedAsync("5\n"u8.ToArray());
            },
        };
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\n");
        foreach (var expected in (string[])["1", "2", "3", "45"])
        {
            Assert.Equal(expected, await peer.ReceiveLineAsync());
        }
    }

    private sealed class CountingCodec() : CustomFrameCodec(100)
    {
        public int Frames { get; set; }

        protected override FrameScanResult Scan(ReadOnlySequence<byte> bytes, ref FrameScanState state)
            => FrameScanResult.Frame(Frames + 1);

        protected override void Encode(FramePayload frame, IBufferWriter<byte> output)
        {
            frame.WriteTo(output);
            output.Write("\n"u8);
        }
    }

    /// <summary>Its frames are single bytes, and its encoder takes its time.</summary>
    private sealed class SlowCodec(Roadblock encoding) : CustomFrameCodec(10)
    {
        protected override FrameScanResult Scan(ReadOnlySequence<byte> bytes, ref FrameScanState state)
            => FrameScanResult.Frame(1);

        protected override void Encode(FramePayload frame, IBufferWriter<byte> output)
        {
            encoding.Block();
            output.Write("old "u8);
            frame.WriteTo(output);
        }
    }
}
