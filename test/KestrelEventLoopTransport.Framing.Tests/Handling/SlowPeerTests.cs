using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>A peer that does not read takes no more memory than a limit says, and is not read either.</summary>
public sealed class SlowPeerTests
{
    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task A_peer_that_does_not_read_is_not_read_either_but_ticks_go_on(EndpointKind kind)
    {
        var answer = new byte[50_000];
        answer.AsSpan().Fill((byte)'a');
        var handler = new Recorder
        {
            Frame = (connection, _) =>
            {
                connection.Write(answer);
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(
            kind, handler, new FrameHandlerOptions { TickInterval = TimeSpan.FromMilliseconds(5) });
        using var peer = await endpoint.ConnectAsync(static socket => socket.ReceiveBufferSize = 16 * 1024);

        // 100 MB of answers to few bytes. How much fits the kernel's buffers differs; it is far less than a half.
        const int Lines = 2000;
        await peer.SendAsync(string.Concat(Enumerable.Repeat("x\n", Lines)));
        var handled = -1;
        while (handled <= 0 || handled != Volatile.Read(ref handler.Frames))
        {
            handled = Volatile.Read(ref handler.Frames);
            var ticks = Volatile.Read(ref handler.Ticks);
            while (Volatile.Read(ref handler.Ticks) < ticks + 20)
            {
                await Task.Delay(5);
            }
        }

        Assert.InRange(handled, 1, Lines / 2);

        for (var i = 0; i < Lines; i++)
        {
            Assert.Equal(answer.Length, (await peer.ReceiveLineAsync())!.Length);
        }

        Assert.Empty(handler.Violations);
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task Sends_to_a_peer_that_does_not_read_are_refused_at_the_limit_and_fail_with_the_connection(
        EndpointKind kind)
    {
        var handler = new Recorder();
        await using var endpoint = await FrameServer.StartAsync(
            kind, handler, new FrameHandlerOptions { MaxQueuedBytes = 16_000_000 },
            FrameCodec.Line(1_000_000));
        using var peer = await endpoint.ConnectAsync(static socket => socket.ReceiveBufferSize = 16 * 1024);
        var connection = await handler.Connection;

        // The kernel's buffers grow to some 4 MiB: so a full queue behind them cannot be sent. What is taken from the
        // queue to be flushed makes room in it, once.
        var frame = new byte[500_000];
        var sends = new List<Task>();
        do
        {
            sends.Add(connection.SendAsync(frame));
            Assert.True(sends.Count < 200);
        }
        while (!sends[^1].IsFaulted || connection.TrySend(frame) is SendResult.Accepted);
        var refusal = Assert.IsAssignableFrom<InvalidOperationException>(sends[^1].Exception!.InnerException);
        Assert.Contains("16000032 bytes", refusal.Message, StringComparison.Ordinal);

        var pending = sends.Where(static send => !send.IsCompleted).ToList();
        Assert.NotEmpty(pending);
        peer.Reset();
        foreach (var send in pending.Append(sends[^2]))
        {
            var failure = await Record.ExceptionAsync(() => send.DefaultTimeout());

            // The earlier ones may have been sent just now. Kestrel's TLS takes a write as done although the transport
            // has ended, until the reader learns of it.
            Assert.True(
                failure is ConnectionAbortedException || (failure is null && (kind.IsTls() || send != sends[^2])),
                $"{failure}");
        }

        // Of a reset the kernel tells one call: where that is stock's send, its read sees an ordinary end.
        Assert.True(await handler.End is not null || kind is EndpointKind.SocketsTls);
        await Assert.ThrowsAnyAsync<ConnectionAbortedException>(() => connection.SendAsync(frame));
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task A_callback_cannot_send_without_limit_to_a_peer_that_does_not_read(EndpointKind kind)
    {
        var refused = Recorder.NewSource<int>();
        var handler = new Recorder
        {
            Woken = connection =>
            {
                var frame = new byte[10_000];
                var count = 0;
                while (count < 10_000 && connection.TrySend(frame) is SendResult.Accepted)
                {
                    count++;
                }

                refused.TrySetResult(count);
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(
            kind, handler, new FrameHandlerOptions { MaxQueuedBytes = 100_000 });
        using var peer = await endpoint.ConnectAsync(static socket => socket.ReceiveBufferSize = 16 * 1024);
        (await handler.Connection).Wake();

        // 100 MB, if there were no limit.
        Assert.InRange(await refused.Task.DefaultTimeout(), 10, 5000);
        Assert.Empty(handler.Violations);
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task A_callback_that_fails_because_the_queue_is_full_is_not_an_error(EndpointKind kind)
    {
        var handler = new Recorder
        {
            Woken = static async connection =>
            {
                Task sent;
                do
                {
                    sent = connection.SendAsync(new byte[10_000]);
                }
                while (!sent.IsFaulted);
                await sent;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(
            kind, handler, new FrameHandlerOptions { MaxQueuedBytes = 100_000 });
        using var peer = await endpoint.ConnectAsync(static socket => socket.ReceiveBufferSize = 16 * 1024);
        var connection = await handler.Connection;
        await Poll.UntilAsync(() =>
        {
            connection.Wake();
            return connection.IsClosing;
        });

        // Debug is what it is logged at: the endpoint fails the test otherwise.
        peer.Reset();
        await handler.End;
        Assert.Empty(handler.Violations);
    }
}
