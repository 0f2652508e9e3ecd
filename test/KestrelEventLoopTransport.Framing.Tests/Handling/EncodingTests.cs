using System.Buffers;
using System.Text;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>A custom codec that fails in the middle of a frame does no harm to other frames.</summary>
public sealed class EncodingTests
{
    /// <summary>
    /// The three ways a frame can go: to an idle connection's writer, to its queue, to the callback's own writer.
    /// </summary>
    [Theory]
    [InlineData("idle")]
    [InlineData("queued")]
    [InlineData("own")]
    public async Task An_encoder_that_throws_in_the_middle_of_a_frame_writes_nothing(string way)
    {
        var handler = new Recorder
        {
            Woken = connection =>
            {
                // While a callback runs, the frames of other threads are queued.
                if (way == "queued")
                {
                    var other = new Thread(() => Send(connection));
                    other.Start();
                    other.Join();
                }
                else
                {
                    Send(connection);
                }

                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop, handler, codec: new HalfwayCodec());
        using var peer = await endpoint.ConnectAsync();
        var connection = await handler.Connection;
        if (way == "idle")
        {
            Send(connection);
        }
        else
        {
            connection.Wake();
        }

        Assert.Equal("HDR4wxyz", await peer.ReceiveLineAsync());
        Assert.False(connection.IsClosing);

        static void Send(FrameConnection connection)
        {
            Assert.Throws<InvalidOperationException>(() => connection.TrySend("abc"u8));
            connection.TrySend("wxyz"u8);
        }
    }

    [Fact]
    public void An_encoder_that_throws_in_the_middle_of_a_frame_writes_nothing_to_a_writer()
    {
        var output = new ArrayBufferWriter<byte>();
        Assert.Throws<InvalidOperationException>(() => new HalfwayCodec().Encode(output, "abc"u8));
        Assert.Equal(0, output.WrittenCount);
    }

    /// <summary>One that waits for another thread, which sends to the same connection.</summary>
    [Fact]
    public async Task An_encoder_does_not_run_under_a_lock()
    {
        var handler = new Recorder
        {
            Woken = static connection =>
            {
                var first = new Thread(() => connection.TrySend("call"u8));
                first.Start();
                first.Join();
                return default;
            },
        };
        var codec = new HalfwayCodec();
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, handler, codec: codec);
        using var peer = await endpoint.ConnectAsync();
        var connection = await handler.Connection;
        codec.Called = () =>
        {
            codec.Called = null;
            var second = new Thread(() => connection.TrySend("word"u8));
            second.Start();
            Assert.True(second.Join(TimeSpan.FromSeconds(30)), "The encoder runs under a lock.");
        };
        connection.Wake();
        Assert.Equal("HDR4word", await peer.ReceiveLineAsync());
        Assert.Equal("HDR4call", await peer.ReceiveLineAsync());
        Assert.Empty(handler.Violations);
    }

    /// <summary>Frames have four bytes. Others are found out late.</summary>
    private sealed class HalfwayCodec() : CustomFrameCodec(100)
    {
        public Action? Called { get; set; }

        protected override FrameScanResult Scan(ReadOnlySequence<byte> bytes, ref FrameScanState state)
            => FrameScanResult.More;

        protected override void Encode(FramePayload frame, IBufferWriter<byte> output)
        {
            output.Write("HDR"u8);
            output.Write(Encoding.ASCII.GetBytes($"{frame.Length}"));
            Called?.Invoke();
            if (frame.Length != 4)
            {
                throw new InvalidOperationException("on purpose");
            }

            frame.WriteTo(output);
            output.Write("\n"u8);
        }
    }
}
