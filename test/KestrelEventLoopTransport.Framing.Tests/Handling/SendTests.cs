using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>What is written and sent, by callbacks and by other threads.</summary>
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
