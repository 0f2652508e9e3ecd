using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>What is written and sent, by callbacks and by other threads, to peers that read and that do not.</summary>
public sealed class SendTests
{
    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task Frames_of_many_threads_arrive_whole_and_in_each_threads_order(EndpointKind kind)
    {
        const int Threads = 4;
        const int FramesOfEach = 500;
        var handler = new Recorder
        {
            Frame = static (connection, frame) =>
            {
                connection.Write(Encoding.ASCII.GetBytes($"echo {frame}"));
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();
        var connection = await handler.Connection;

        var senders = Enumerable.Range(0, Threads).Select(thread => Task.Run(async () =>
        {
            for (var i = 0; i < FramesOfEach; i++)
            {
                var frame = Encoding.ASCII.GetBytes($"{thread} {i} {new string('x', i % 700)}");
                if (i % 2 == 0)
                {
                    await connection.SendAsync(frame);
                }
                else
                {
                    Assert.Equal(SendResult.Accepted, connection.TrySend(frame));
                }
            }
        })).ToList();
        var typing = Task.Run(async () =>
        {
            for (var i = 0; i < FramesOfEach; i++)
            {
                await peer.SendAsync($"{i}\n");
            }
        });

        var next = new Dictionary<string, int>();
        for (var i = 0; i < (Threads + 1) * FramesOfEach; i++)
        {
            var words = (await peer.ReceiveLineAsync())!.Split(' ');
            var number = int.Parse(words[1], CultureInfo.InvariantCulture);
            Assert.Equal(next.GetValueOrDefault(words[0]), number);
            Assert.Equal(words[0] == "echo" ? 0 : number % 700, words.ElementAtOrDefault(2)?.Length ?? 0);
            next[words[0]] = number + 1;
        }

        await Task.WhenAll([.. senders, typing]).DefaultTimeout();
        Assert.Empty(handler.Violations);
    }

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

    /// <summary>A callback may wait for another thread that sends, for example for its lock.</summary>
    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task What_a_callback_writes_does_not_overtake_what_others_have_sent(EndpointKind kind)
    {
        var handler = new Recorder
        {
            Frame = static (connection, _) =>
            {
                connection.Write("1"u8);
                Task.Run(() => connection.TrySend("2"u8)).Wait();
                connection.Write("3"u8);
                Task.Run(() => { var later = connection.SendAsync("4"u8.ToArray()); }).Wait();
                Assert.Equal(SendResult.Accepted, connection.TrySend("5"u8));
                Task.Run(() => connection.Write("6"u8)).Wait();
                var sent = connection.SendAsync("7"u8.ToArray());
                connection.Write("8"u8);
                sent.GetAwaiter().GetResult();
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("x\ny\n");
        for (var i = 0; i < 16; i++)
        {
            Assert.Equal($"{(i % 8) + 1}", await peer.ReceiveLineAsync());
        }

        Assert.Empty(handler.Violations);
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

    /// <summary>It is full because the callback keeps the writer, and says nothing about the peer.</summary>
    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task A_callback_may_send_although_others_have_filled_the_queue_meanwhile(EndpointKind kind)
    {
        var handler = new Recorder
        {
            Frame = static async (connection, how) =>
            {
                // Not a task: waiting for one may run it right here.
                var other = new Thread(() =>
                {
                    while (connection.TrySend("queued"u8) is SendResult.Accepted)
                    {
                    }
                });
                other.Start();
                other.Join();
                if (how == "TrySend")
                {
                    Assert.Equal(SendResult.Accepted, connection.TrySend("end"u8));
                }
                else
                {
                    await connection.SendAsync("end"u8.ToArray());
                }
            },
        };
        await using var endpoint = await FrameServer.StartAsync(
            kind, handler, new FrameHandlerOptions { MaxQueuedBytes = 1000 });
        using var peer = await endpoint.ConnectAsync();
        foreach (var how in (string[])["TrySend", "SendAsync"])
        {
            await peer.SendAsync(how + "\n");
            var queued = 0;
            for (var line = await peer.ReceiveLineAsync(); line != "end"; line = await peer.ReceiveLineAsync())
            {
                Assert.Equal("queued", line);
                queued++;
            }

            Assert.Equal(1000 / "queued\n".Length + 1, queued);
        }

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
                while (connection.TrySend(new byte[10_000]) is SendResult.Accepted)
                {
                }

                await connection.SendAsync(new byte[10_000]);
            },
        };
        await using var endpoint = await FrameServer.StartAsync(
            kind, handler, new FrameHandlerOptions { MaxQueuedBytes = 100_000 });
        using var peer = await endpoint.ConnectAsync(static socket => socket.ReceiveBufferSize = 16 * 1024);
        var connection = await handler.Connection;
        do
        {
            connection.Wake();
            await Task.Delay(5);
        }
        while (!connection.IsClosing);

        // Debug is what it is logged at: the endpoint fails the test otherwise.
        peer.Reset();
        await handler.End;
        Assert.Empty(handler.Violations);
    }

    [Fact]
    public async Task Nothing_happens_to_a_connection_that_is_over()
    {
        var handler = new Recorder();
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, handler);
        using var peer = await endpoint.ConnectAsync();
        var connection = await handler.Connection;
        await peer.ShutdownAsync();
        Assert.Null(await handler.End);
        Assert.Equal("", await peer.ReceiveTextToEndAsync());

        await Assert.ThrowsAnyAsync<ConnectionAbortedException>(() => connection.SendAsync(new byte[1]));
        Assert.Equal(SendResult.Closed, connection.TrySend("a"u8));
        connection.Write("a"u8);
        connection.Wake();
        connection.Close();
        connection.Abort();
        Assert.Empty(handler.Violations);
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task A_callback_may_wait_for_what_it_sends(EndpointKind kind)
    {
        var handler = new Recorder
        {
            Frame = static async (connection, frame) =>
            {
                connection.Write("1"u8);
                await connection.SendAsync("2"u8.ToArray());
                connection.Write("3"u8);
                await Task.Run(() => connection.SendAsync("4"u8.ToArray()));
                connection.Write("5"u8);
                connection.SendAsync("6"u8.ToArray()).GetAwaiter().GetResult();
            },
        };
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\nb\n");
        foreach (var expected in "123456123456")
        {
            Assert.Equal(expected.ToString(), await peer.ReceiveLineAsync());
        }
    }

    /// <summary>The connection is open for as long as a callback runs, and what was accepted by then leaves.</summary>
    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task What_a_worker_sends_arrives_after_the_peers_end_if_the_callback_waits_for_it(EndpointKind kind)
    {
        var handler = new Recorder
        {
            Frame = static async (connection, _) =>
            {
                // The peer's end is there by now.
                await Task.Delay(50);
                var accepted = await Task.Run(() => Enumerable.Range(0, 1000)
                    .Count(i => connection.TrySend(Encoding.ASCII.GetBytes($"{i}")) is SendResult.Accepted));
                Assert.Equal(1000, accepted);
            },
        };
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("q\n");
        await peer.ShutdownAsync();
        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal(i.ToString(CultureInfo.InvariantCulture), await peer.ReceiveLineAsync());
        }

        Assert.Null(await handler.End);
    }

    [Fact]
    public async Task A_frame_that_is_refused_does_no_harm()
    {
        var handler = new Recorder
        {
            Frame = static (connection, frame) =>
            {
                Assert.Throws<ArgumentException>(() => connection.Write("a\nb"u8));
                connection.Write("fine"u8);
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, handler);
        using var peer = await endpoint.ConnectAsync();
        var connection = await handler.Connection;
        await Assert.ThrowsAsync<ArgumentException>(() => connection.SendAsync("a\nb"u8.ToArray()));
        Assert.Throws<ArgumentException>(() => connection.TrySend("a\nb"u8));
        await peer.SendAsync("x\n");
        Assert.Equal("fine", await peer.ReceiveLineAsync());
        Assert.Empty(handler.Violations);
    }
}
