using System.IO.Pipelines;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Tests.Writing;

[Trait("Contract", "17")]
public sealed class BackPressureTests
{
    private const int KernelBuffer = 64 * 1024;

    // What both kernels' buffers of one connection hold at most when each is set to KernelBuffer (they double it).
    private const int KernelSlack = 1024 * 1024;
    private const int Chunk = 16 * 1024;

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_peer_that_sends_endlessly_is_stopped_while_the_app_does_not_read(
        ApplicationScheduling scheduling)
    {
        const int Ceiling = 64 * 1024 * 1024;
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();

        var sent = 0L;
        var chunk = new byte[64 * 1024];
        pair.Client.Socket.Blocking = false;
        while (sent < Ceiling && pair.Client.Socket.Poll(TimeSpan.FromSeconds(1), SelectMode.SelectWrite))
        {
            Pattern.Fill(chunk, 0, sent);
            var n = pair.Client.Socket.Send(chunk, SocketFlags.None, out var error);
            sent += error == SocketError.Success ? n : 0;
        }

        Assert.InRange(sent, 1, Ceiling - 1);
        Assert.InRange(transport.Pools.Outstanding * CountingMemoryPool.BlockSize, 0, 2 * 1024 * 1024);

        // The app begins to read: nothing is lost, and the peer may send again.
        for (var received = 0L; received < sent;)
        {
            var result = await pair.Input.ReadAsync().DefaultTimeout();
            foreach (var segment in result.Buffer)
            {
                Pattern.AssertMatches(segment.Span, 0, received);
                received += segment.Length;
            }

            pair.Input.AdvanceTo(result.Buffer.End);
        }

        await Poll.UntilAsync(() => pair.Client.Socket.Poll(0, SelectMode.SelectWrite));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task An_app_that_examines_everything_may_buffer_more_than_MaxReadBufferSize(
        ApplicationScheduling scheduling)
    {
        const int Length = 3_000_000;
        await using var transport = new TestTransport(
            scheduling, static options => options.MaxReadBufferSize = 100_000);
        await using var pair = await transport.ConnectAsync();
        var send = pair.Client.SendAsync(Pattern.Create(Length));

        var result = await pair.Input.ReadAtLeastAsync(Length).DefaultTimeout();

        var position = 0;
        foreach (var segment in result.Buffer)
        {
            Pattern.AssertMatches(segment.Span, 0, position);
            position += segment.Length;
        }

        Assert.Equal(Length, position);
        pair.Input.AdvanceTo(result.Buffer.End);
        await send.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task FlushAsync_waits_for_a_peer_that_does_not_read_and_nothing_is_lost(
        ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var (written, flush) = await WriteUntilPendingAsync(pair.Output, Chunk);

        var received = await pair.Client.ReceiveExactlyAsync((int)written);

        Pattern.AssertMatches(received);
        var result = await flush.DefaultTimeout();
        Assert.False(result.IsCompleted);
        Assert.False(result.IsCanceled);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task FlushAsync_begins_to_wait_at_MaxWriteBufferSize(ApplicationScheduling scheduling)
    {
        foreach (var limit in new[] { 64 * 1024, 2 * 1024 * 1024 })
        {
            await using var transport = new TestTransport(scheduling, options => options.MaxWriteBufferSize = limit);
            await using var pair = await ConnectWithSmallKernelBuffersAsync(transport);

            var (written, _) = await WriteUntilPendingAsync(pair.Output, Chunk);

            Assert.InRange(written, limit, limit + KernelSlack);
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [FailsOnStock("Stock sends all that is queued as one operation and lets go of it when the last byte is out.")]
    public async Task FlushAsync_completes_when_half_of_MaxWriteBufferSize_is_left(ApplicationScheduling scheduling)
    {
        const int Limit = 4 * 1024 * 1024;
        await using var transport = new TestTransport(scheduling, static options => options.MaxWriteBufferSize = Limit);
        await using var pair = await ConnectWithSmallKernelBuffersAsync(transport);
        var (written, flush) = await WriteUntilPendingAsync(pair.Output, Chunk);

        var received = 0;
        while (!flush.IsCompleted && received < (Limit / 2) + KernelSlack)
        {
            Pattern.AssertMatches(await pair.Client.ReceiveExactlyAsync(Chunk), 0, received);
            received += Chunk;
        }

        // Less than half is left to the transport by now, whatever the kernel holds: it completes without another read.
        Assert.False((await flush.DefaultTimeout()).IsCompleted);
        Assert.True(received >= (Limit / 2) - KernelSlack, $"Completed after {received} bytes were read.");
        Pattern.AssertMatches(await pair.Client.ReceiveExactlyAsync((int)written - received), 0, received);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Null_and_0_mean_unlimited(ApplicationScheduling scheduling)
    {
        const int Length = 24 * 1024 * 1024;
        foreach (var limit in new long?[] { null, 0 })
        {
            await using var transport = new TestTransport(scheduling, options =>
            {
                options.MaxReadBufferSize = limit;
                options.MaxWriteBufferSize = limit;
            });
            await using var pair = await ConnectWithSmallKernelBuffersAsync(transport);

            // The peer does not read: all of it is the transport's.
            for (var written = 0; written < Length; written += 1024 * 1024)
            {
                var flush = pair.Output.WriteAsync(Pattern.Create(1024 * 1024, 0, written));
                Assert.False((await flush.DefaultTimeout()).IsCompleted);
            }

            await pair.Client.SendAsync(Pattern.Create(10_000));
            var result = await pair.Input.ReadAtLeastAsync(10_000).DefaultTimeout();
            pair.Input.AdvanceTo(result.Buffer.End);
            pair.Client.Reset();
        }
    }

    /// <summary>Writes the pattern until a flush waits for the peer, which does not read.</summary>
    internal static async Task<(long Written, Task<FlushResult> Flush)> WriteUntilPendingAsync(
        PipeWriter output, int chunk)
    {
        const long Ceiling = 256 * 1024 * 1024;
        for (var written = 0L; written < Ceiling;)
        {
            var memory = output.GetMemory(chunk)[..chunk];
            Pattern.Fill(memory.Span, 0, written);
            output.Advance(chunk);
            written += chunk;
            var flush = output.FlushAsync().AsTask();

            // Stock flushes through a pipe whose other end may be a moment behind; ours, behind a thread that sends.
            // Two waits: a machine that stops makes one of them too short.
            if (!flush.IsCompleted
                && await Task.WhenAny(flush, Task.Delay(300)) != flush
                && await Task.WhenAny(flush, Task.Delay(300)) != flush)
            {
                return (written, flush);
            }

            Assert.False((await flush).IsCompleted);
        }

        throw new InvalidOperationException(
            $"The peer read nothing, and {Ceiling} bytes were flushed without waiting.");
    }

    private static async Task<ConnectedPair> ConnectWithSmallKernelBuffersAsync(TestTransport transport)
    {
        var pair = await transport.ConnectAsync(null, static socket => socket.ReceiveBufferSize = KernelBuffer);
        pair.Connection.Features.Get<IConnectionSocketFeature>()!.Socket.SendBufferSize = KernelBuffer;
        return pair;
    }
}
