using System.Globalization;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>Which callbacks run, in what order, and what ends a connection.</summary>
public sealed class CallbackTests
{
    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task Callbacks_come_in_order_and_disconnected_comes_once(EndpointKind kind)
    {
        var received = new List<string>();
        var handler = new Recorder
        {
            Frame = (connection, frame) =>
            {
                received.Add(frame);
                connection.Write("> "u8, System.Text.Encoding.ASCII.GetBytes(frame));
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();

        var sent = Enumerable.Range(0, 1000).Select(static i => i.ToString(CultureInfo.InvariantCulture)).ToList();
        await peer.SendAsync(string.Concat(sent.Select(static line => line + "\n")));
        await peer.ShutdownAsync();

        Assert.Equal(string.Concat(sent.Select(static line => $"> {line}\n")), await peer.ReceiveTextToEndAsync());
        Assert.Null(await handler.End);
        Assert.Equal(sent, received);
        Assert.Empty(handler.Violations);
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task Callbacks_of_a_connection_never_run_at_the_same_time(EndpointKind kind)
    {
        const int Lines = 400;
        var next = 0;
        var handler = new Recorder
        {
            Frame = async (connection, frame) =>
            {
                Assert.Equal(next++, int.Parse(frame, CultureInfo.InvariantCulture));
                if (next % 3 == 0)
                {
                    await Task.Yield();
                }

                connection.Write(System.Text.Encoding.ASCII.GetBytes(frame));
            },
            Tick = static async _ => await Task.Yield(),
            Woken = static async _ => await Task.Yield(),
        };
        await using var endpoint = await FrameServer.StartAsync(
            kind, handler, new FrameHandlerOptions { TickInterval = TimeSpan.FromMilliseconds(1) });
        using var peer = await endpoint.ConnectAsync();
        var connection = await handler.Connection;
        using var done = new CancellationTokenSource();
        var wakers = Enumerable.Range(0, 2).Select(_ => Task.Run(async () =>
        {
            while (!done.IsCancellationRequested)
            {
                connection.Wake();
                await Task.Yield();
            }
        })).ToList();

        for (var i = 0; i < Lines; i++)
        {
            await peer.SendAsync($"{i}\n");
        }

        for (var i = 0; i < Lines; i++)
        {
            Assert.Equal(i.ToString(CultureInfo.InvariantCulture), await peer.ReceiveLineAsync());
        }

        while (Volatile.Read(ref handler.Ticks) == 0 || Volatile.Read(ref handler.Wakes) == 0)
        {
            await Task.Delay(1);
        }

        await peer.ShutdownAsync();
        Assert.Null(await handler.End);

        // Still waking, and the timer may be: nothing may come of it.
        await Task.Delay(20);
        await done.CancelAsync();
        await Task.WhenAll(wakers).DefaultTimeout();
        Assert.Empty(handler.Violations);
    }

    [Theory]
    [InlineData("connected")]
    [InlineData("frame")]
    [InlineData("frame, later")]
    [InlineData("tick")]
    [InlineData("wake")]
    [InlineData("disconnected")]
    public async Task An_exception_closes_one_connection_and_is_logged_once(string callback)
    {
        // The first connection is the one that fails.
        FrameConnection? failing = null;
        var exception = new InvalidOperationException("on purpose");
        var handler = new Recorder
        {
            Connected = c => Fail("connected", Interlocked.CompareExchange(ref failing, c, null) ?? c, c),
            Frame = async (c, frame) =>
            {
                c.Write("answer"u8);
                await Fail("frame", failing, c);
                if (callback == "frame, later")
                {
                    await Task.Yield();
                    await Fail(callback, failing, c);
                }
            },
            Tick = c => Fail("tick", failing, c),
            Woken = c => Fail("wake", failing, c),
            Disconnected = (c, _) => Fail("disconnected", failing, c),
        };
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop, handler, new FrameHandlerOptions { TickInterval = TimeSpan.FromMilliseconds(5) });
        using var first = await endpoint.ConnectAsync();
        (await handler.Connection).Wake();
        await Poll.UntilAsync(() => Volatile.Read(ref failing) is not null);
        using var second = await endpoint.ConnectAsync();
        if (callback.StartsWith("frame", StringComparison.Ordinal))
        {
            await first.SendAsync("x\ny\n");
            Assert.Equal("answer", await first.ReceiveLineAsync());
        }
        else if (callback == "disconnected")
        {
            await first.ShutdownAsync();
        }

        await first.ReceiveUntilGoneAsync();
        var end = await handler.End;
        Assert.Same(callback == "disconnected" ? null : exception, end);
        Assert.Empty(handler.Violations);
        await second.SendAsync("x\n");
        Assert.Equal("answer", await second.ReceiveLineAsync());

        await endpoint.StopAsync();
        var complaint = endpoint.Logs.TakeSingle().ToString();
        Assert.Contains(callback.Split(',')[0], complaint, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("on purpose", complaint, StringComparison.Ordinal);

        ValueTask Fail(string where, FrameConnection? one, FrameConnection c)
            => where == callback && one == c ? throw exception : default;
    }

    [Fact]
    public async Task A_tick_that_throws_each_time_is_logged_once()
    {
        var handler = new Recorder
        {
            Connected = static connection =>
            {
                // The peer does not read, so closing takes until it is gone.
                while (connection.TrySend(new byte[10_000]) is SendResult.Accepted)
                {
                }

                return default;
            },
            Tick = static _ => throw new InvalidOperationException("on purpose"),
        };
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop,
            handler,
            new FrameHandlerOptions { TickInterval = TimeSpan.FromMilliseconds(1), MaxQueuedBytes = 10_000_000 });
        using var peer = await endpoint.ConnectAsync(static socket => socket.ReceiveBufferSize = 16 * 1024);
        while (Volatile.Read(ref handler.Ticks) < 10)
        {
            await Task.Delay(1);
        }

        peer.Reset();
        Assert.Equal("on purpose", (await handler.End)!.Message);
        await endpoint.StopAsync();
        Assert.Contains("on purpose", endpoint.Logs.TakeSingle().ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_whose_first_callback_failed_has_no_wakes_and_ticks()
    {
        var handler = new Recorder
        {
            Connected = static async connection =>
            {
                connection.Wake();
                await Task.Yield();
                throw new InvalidOperationException("on purpose");
            },
        };
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop, handler, new FrameHandlerOptions { TickInterval = TimeSpan.FromMilliseconds(1) });
        using var peer = await endpoint.ConnectAsync();
        Assert.Equal("on purpose", (await handler.End)!.Message);
        Assert.Equal((0, 0), (handler.Ticks, handler.Wakes));
        await endpoint.StopAsync();
        endpoint.Logs.TakeSingle();
    }

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task What_is_not_a_frame_ends_the_connection_after_the_answers_to_earlier_ones(EndpointKind kind)
    {
        var handler = new Recorder { Frame = static (c, _) => Answer(c) };
        await using var endpoint = await FrameServer.StartAsync(kind, handler, codec: FrameCodec.Line(10));
        using var peer = await endpoint.ConnectAsync();

        await peer.SendAsync("a\nb\nfar too long\n");

        Assert.Equal("answer", await peer.ReceiveLineAsync());
        Assert.Equal("answer", await peer.ReceiveLineAsync());
        Assert.Equal(FrameError.TooLong, Assert.IsType<FrameException>(await handler.End).Error);
        Assert.Equal(2, handler.Frames);
        Assert.Empty(handler.Violations);
    }

    [Theory]
    [InlineData(EndpointKind.EventLoop)]
    [InlineData(EndpointKind.Sockets)]
    public async Task A_reset_is_told_and_nobody_is_bothered(EndpointKind kind)
    {
        var handler = new Recorder();
        await using var endpoint = await FrameServer.StartAsync(kind, handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\n");
        peer.Reset();
        Assert.IsType<ConnectionResetException>(await handler.End);
    }

    [Fact]
    public async Task A_callback_that_fails_because_the_peer_is_gone_is_not_an_error()
    {
        var handler = new Recorder
        {
            Frame = static async (connection, _) =>
            {
                while (true)
                {
                    await connection.SendAsync(new byte[10_000]);
                }
            },
        };
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, handler);
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\n");
        await peer.ReceiveExactlyAsync(1);
        peer.Reset();
        Assert.IsType<ConnectionResetException>(await handler.End);
    }

    [Fact]
    public async Task A_wake_during_a_wake_is_not_lost()
    {
        var handler = new Recorder
        {
            Woken = static async connection =>
            {
                var count = (int)(connection.Context ?? 0) + 1;
                connection.Context = count;
                if (count < 100)
                {
                    connection.Wake();
                    connection.Wake();
                    await Task.Yield();
                }
                else
                {
                    connection.Write("a hundred"u8);
                }
            },
        };
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, handler);
        using var peer = await endpoint.ConnectAsync();
        (await handler.Connection).Wake();
        Assert.Equal("a hundred", await peer.ReceiveLineAsync());
        Assert.Empty(handler.Violations);
    }

    private static ValueTask Answer(FrameConnection connection)
    {
        connection.Write("answer"u8);
        return default;
    }
}
