using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using KestrelEventLoopTransport.Dialing;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>A dialed connection as a stream, over a pipe reader that the tests control.</summary>
[FailsOnStock("The stream is the client's.")]
public sealed class ConnectionStreamTests
{
    // Torture, seed 89759611: the count was asked for after AdvanceTo, when the loop may be receiving into the segments
    // again.
    [Fact]
    public async Task A_read_over_several_segments_counts_its_bytes_before_it_gives_them_back()
    {
        var last = new Segment(new byte[300], before: 100, next: null);
        var first = new Segment(new byte[100], before: 0, last);
        var transport = new Transport(new Reader(first, last));
        await using var stream = new ConnectionStream(
            new DefaultConnectionContext("1", transport, transport) { Transport = transport });

        Assert.Equal(250, await stream.ReadAsync(new byte[250]).DefaultTimeout());
    }

    // A TLS server that does not like the hello: HttpErrorTests. The thread that writes is none of the loop's.
    [Fact]
    public async Task A_write_that_the_kernel_has_taken_succeeds_though_the_peer_answers_and_resets()
    {
        const int Attempts = 200;
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        using var listener = PlainListener.Start();
        for (var i = 0; i < Attempts; i++)
        {
            await using var stream = new ConnectionStream(await transport.Client.ConnectAsync(listener.LocalEndPoint!));
            using var peer = new RawClient(await listener.AcceptAsync().DefaultTimeout());
            var answers = AnswerAndResetAsync(peer);

            await Task.Run(() => stream.WriteAsync("?"u8.ToArray()).AsTask()).DefaultTimeout();

            Assert.Equal(1, await stream.ReadAsync(new byte[2]).DefaultTimeout());
            await Assert.ThrowsAnyAsync<IOException>(() => stream.ReadAsync(new byte[2]).DefaultTimeout());
            var failure = await Assert.ThrowsAnyAsync<IOException>(
                () => stream.WriteAsync("?"u8.ToArray()).AsTask().DefaultTimeout());
            Assert.Equal(
                SocketError.ConnectionReset,
                Assert.IsType<SocketException>(failure.InnerException).SocketErrorCode);
            await answers;
        }

        static async Task AnswerAndResetAsync(RawClient peer)
        {
            await peer.ReceiveExactlyAsync(1);
            await peer.SendAsync("!");
            peer.Reset();
        }
    }

    private sealed class Transport(PipeReader input) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output { get; } = PipeWriter.Create(Stream.Null);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(byte[] bytes, long before, Segment? next)
            => (Memory, RunningIndex, Next) = (bytes, before, next);

        /// <summary>The loop receives into it again.</summary>
        public void Reuse() => (RunningIndex, Next) = (70_000, null);
    }

    private sealed class Reader(Segment first, Segment last) : PipeReader
    {
        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
            => new(new ReadResult(new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length), false, false));

        public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => first.Reuse();

        public override bool TryRead(out ReadResult result) => throw new NotSupportedException();

        public override void CancelPendingRead()
        {
        }

        public override void Complete(Exception? exception = null)
        {
        }
    }
}
