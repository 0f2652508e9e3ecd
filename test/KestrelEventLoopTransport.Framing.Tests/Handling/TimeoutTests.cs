using System.Diagnostics;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>A connection on which nothing happens is ended, whatever its callbacks are doing.</summary>
public sealed class TimeoutTests
{
    private const int FrameLength = 64 * 1024 - 1;

    private static readonly TimeSpan _limit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan _moment = TimeSpan.FromMilliseconds(1);

    [Theory]
    [ClassData<EveryEndpointKind>]
    public async Task A_connection_without_bytes_in_either_direction_ends_when_its_time_has_passed(EndpointKind kind)
    {
        var time = new ManualTime();
        var handler = new Recorder();
        await using var endpoint = await FrameServer.StartAsync(
            kind, handler, new FrameHandlerOptions { IdleTimeout = _limit }, time: time);
        using var peer = await endpoint.ConnectAsync();
        var connection = await handler.Connection;

        // Part of a frame counts, and so does what is sent.
        time.Advance(_limit - _moment);
        await peer.SendAsync("a");
        await Poll.UntilAsync(() => connection.TimeSinceLastReceive == TimeSpan.Zero);
        time.Advance(_limit - _moment);
        await connection.SendAsync("b"u8.ToArray());
        Assert.Equal(TimeSpan.Zero, connection.TimeSinceLastSend);
        Assert.Equal(_limit - _moment, connection.TimeSinceLastReceive);
        time.Advance(_limit - _moment);
        Assert.False(connection.HasTimedOut);

        time.Advance(_moment);
        Assert.True(connection.HasTimedOut);
        AssertTimedOut("IdleTimeout", await handler.End);
        await peer.ReceiveUntilGoneAsync();
    }

    [Theory]
    [InlineData(EndpointKind.EventLoop)]
    [InlineData(EndpointKind.Sockets)]
    public async Task A_logger_that_blocks_holds_neither_the_clock_nor_the_end(EndpointKind kind)
    {
        var time = new ManualTime();
        var handler = new Recorder();
        var logs = Recorder.NewSource<bool>();
        using var release = new ManualResetEventSlim();
        await using var endpoint = await FrameServer.StartAsync(
            kind,
            listen => listen.UseFrameCodec(FrameCodec.Line(100)).UseFrameHandler(
                handler, new FrameHandlerOptions { IdleTimeout = _limit }),
            services => services.AddSingleton<TimeProvider>(time).AddSingleton<ILoggerProvider>(
                new EventHook("TimedOut", () =>
                {
                    logs.TrySetResult(true);
                    Assert.True(release.Wait(TaskTimeoutExtensions.Default));
                })));
        using var peer = await endpoint.ConnectAsync();
        await handler.Connection;
        try
        {
            // The clock calls on the thread that moves it.
            await Task.Run(() => time.Advance(_limit)).DefaultTimeout();
            await logs.Task.DefaultTimeout();
            AssertTimedOut("IdleTimeout", await handler.End);
            await peer.ReceiveUntilGoneAsync();
        }
        finally
        {
            release.Set();
        }
    }

    /// <summary>
    /// A peer that does not read has a limit of its own: nobody sees what it takes before the flush ends.
    /// </summary>
    [Theory]
    [InlineData("SendStallTimeout")]
    [InlineData("CloseTimeout")]
    [InlineData("IdleTimeout")]
    public async Task A_connection_that_waits_for_a_slow_peer_is_idle_only_if_nothing_else_limits_that(string limit)
    {
        var time = new ManualTime();
        var handler = new Recorder();
        var options = new FrameHandlerOptions
        {
            IdleTimeout = limit == "IdleTimeout" ? 10 * _limit : _limit,
            SendStallTimeout = limit == "SendStallTimeout" ? 10 * _limit : null,
            CloseTimeout = limit == "CloseTimeout" ? 10 * _limit : null,
        };

        // The pipe takes nothing before it is read, which a socket's buffers do not promise.
        var pipes = new InlineConnection(FrameCodec.Line(FrameLength));
        var run = pipes.RunAsync(handler, options, time);
        var connection = await handler.Connection;
        Assert.Equal(SendResult.Accepted, connection.TrySend(new byte[FrameLength]));
        await Poll.UntilAsync(() => connection.SendWaitsSince != 0);
        if (limit == "CloseTimeout")
        {
            connection.Close();
        }

        time.Advance((10 * _limit) - _moment);
        Assert.False(connection.HasTimedOut);
        time.Advance(_moment);
        Assert.True(connection.HasTimedOut);
        await Poll.UntilAsync(() => connection.ConnectionClosed.IsCancellationRequested);
        pipes.End();
        pipes.StopReading();
        AssertTimedOut(limit, await handler.End);
        await run.DefaultTimeout();
    }

    /// <summary>On the clock of the connection's event loop, where there is one.</summary>
    [Theory]
    [InlineData(true, ApplicationScheduling.ThreadPool)]
    [InlineData(false, ApplicationScheduling.ThreadPool)]
    [InlineData(false, ApplicationScheduling.Inline)]
    [InlineData(false, ApplicationScheduling.Adaptive)]
    public async Task An_idle_connection_ends_in_every_scheduling(bool onStock, ApplicationScheduling scheduling)
    {
        var limit = TimeSpan.FromMilliseconds(100);
        var handler = new Recorder();
        await using var endpoint = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            UsesStock = onStock,
            Listen = listen => listen.UseFrameCodec(FrameCodec.Line(100)).UseFrameHandler(
                handler, new FrameHandlerOptions { IdleTimeout = limit }),
        });
        var start = Stopwatch.GetTimestamp();
        using var peer = await endpoint.ConnectAsync();
        AssertTimedOut("IdleTimeout", await handler.End);
        Assert.True(Stopwatch.GetElapsedTime(start) >= limit);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_logger_that_throws_keeps_no_connection_open(bool onStock)
    {
        var handler = new Recorder();
        var fails = false;
        await using var endpoint = await TestServer.StartAsync(new TestSettings
        {
            UsesStock = onStock,
            Scheduling = ApplicationScheduling.ThreadPool,
            Complaints = static _ => false,
            Services = services => services.AddSingleton<ILoggerProvider>(new FailingLogs(() => fails)),
            Listen = listen => listen.UseFrameCodec(FrameCodec.Line(100)).UseFrameHandler(
                handler, new FrameHandlerOptions { IdleTimeout = TimeSpan.FromMilliseconds(100) }),
        });
        using var peer = await endpoint.ConnectAsync();
        fails = true;

        await peer.ReceiveUntilGoneAsync();
        AssertTimedOut("IdleTimeout", await handler.End);
    }

    [Theory]
    [InlineData("connected")]
    [InlineData("frame")]
    [InlineData("tick")]
    [InlineData("wake")]
    [InlineData("finished")]
    public async Task An_idle_connection_ends_while_a_callback_awaits(string callback)
    {
        var time = new ManualTime();
        var waiting = Recorder.NewSource<bool>();
        var released = Recorder.NewSource<bool>();
        var handler = new Recorder
        {
            Connected = _ => Wait("connected"),
            Frame = (_, _) => Wait("frame"),
            Tick = _ => Wait("tick"),
            Woken = _ => Wait("wake"),
            PeerFinished = _ => Wait("finished"),
        };
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop,
            handler,
            new FrameHandlerOptions { IdleTimeout = _limit, TickInterval = TimeSpan.FromSeconds(1) },
            time: time);
        using var peer = await endpoint.ConnectAsync();
        var connection = await handler.Connection;
        await peer.SendAsync(callback == "frame" ? "a\n" : "a");
        if (callback == "wake")
        {
            connection.Wake();
        }

        if (callback == "finished")
        {
            await peer.SendAsync("\n");
            await peer.ShutdownAsync();
        }

        // Ticks may not have begun yet.
        await Poll.UntilAsync(() =>
        {
            time.Advance(callback == "tick" ? TimeSpan.FromSeconds(1) : TimeSpan.Zero);
            return waiting.Task.IsCompleted;
        });
        time.Advance(_limit);
        await peer.ReceiveUntilGoneAsync();
        await Poll.UntilAsync(() => connection.ConnectionClosed.IsCancellationRequested);
        released.SetResult(true);
        AssertTimedOut("IdleTimeout", await handler.End);
        Assert.Empty(handler.Violations);

        async ValueTask Wait(string where)
        {
            if (where == callback && waiting.TrySetResult(true))
            {
                await released.Task;
            }
        }
    }

    [Theory]
    [InlineData(EndpointKind.EventLoop)]
    [InlineData(EndpointKind.Sockets)]
    public async Task Only_a_connection_that_waits_for_its_peer_misses_its_bytes(EndpointKind kind)
    {
        var time = new ManualTime();
        var released = Recorder.NewSource<bool>();
        var handler = new Recorder { Frame = async (_, _) => await released.Task };
        await using var endpoint = await FrameServer.StartAsync(
            kind, handler, new FrameHandlerOptions { ReceiveIdleTimeout = _limit }, time: time);
        using var peer = await endpoint.ConnectAsync();
        var connection = await handler.Connection;

        // A byte at a time is slow and not idle.
        foreach (var part in new[] { "a", "b", "c", "\n" })
        {
            await Poll.UntilAsync(() => connection.ReceiveWaitsSince != 0);
            time.Advance(_limit - _moment);
            Assert.False(connection.HasTimedOut);
            await peer.SendAsync(part);
            await Poll.UntilAsync(() => connection.TimeSinceLastReceive == TimeSpan.Zero);
        }

        // Nothing is read while the frame is handled. The time begins when it has been.
        await Poll.UntilAsync(() => Volatile.Read(ref handler.Frames) == 1);
        time.Advance(10 * _limit);
        Assert.False(connection.HasTimedOut);
        released.SetResult(true);
        await Poll.UntilAsync(() => connection.ReceiveWaitsSince != 0);
        time.Advance(_limit - _moment);
        Assert.False(connection.HasTimedOut);

        // What is sent does not help.
        await connection.SendAsync("b"u8.ToArray());
        time.Advance(_moment);
        Assert.True(connection.HasTimedOut);
        AssertTimedOut("ReceiveIdleTimeout", await handler.End);
    }

    [Theory]
    [InlineData(EndpointKind.EventLoop)]
    [InlineData(EndpointKind.Sockets)]
    public async Task A_peer_that_takes_nothing_is_reset_and_one_that_reads_slowly_is_not(EndpointKind kind)
    {
        var time = new ManualTime();
        var handler = new Recorder();
        await using var endpoint = await FrameServer.StartAsync(
            kind,
            handler,
            new FrameHandlerOptions { SendStallTimeout = _limit, MaxQueuedBytes = int.MaxValue },
            time: time);
        using var peer = await endpoint.ConnectAsync(static socket => socket.ReceiveBufferSize = 16 * 1024);
        var connection = await handler.Connection;
        time.Advance(10 * _limit);
        var frame = new byte[FrameLength];
        var sent = 0;
        while (connection.SendWaitsSince == 0)
        {
            connection.TrySend(frame);
            sent++;
        }

        // More than the kernel's buffers take waits behind it.
        for (var i = 0; i < 320; i++)
        {
            connection.TrySend(frame);
            sent++;
        }

        for (var i = 0; i < 2; i++)
        {
            time.Advance(_limit - _moment);
            var waits = connection.SendWaitsSince;
            for (var read = 0; connection.SendWaitsSince == waits && read < sent / 2; read++)
            {
                await peer.ReceiveExactlyAsync(FrameLength + 1);
            }

            await Poll.UntilAsync(() => connection.SendWaitsSince > waits);
            Assert.False(connection.HasTimedOut);
        }

        time.Advance(_limit);
        await Poll.UntilAsync(() =>
        {
            time.Advance(_limit);
            return connection.IsClosing;
        });
        AssertTimedOut("SendStallTimeout", await handler.End);
    }

    /// <summary>The limits of a wait make nobody look at connections that do not wait.</summary>
    [Fact]
    public async Task Only_a_flush_that_waits_sets_a_timer_for_a_peer_that_takes_nothing()
    {
        var time = new ManualTime();
        var handler = new Recorder();
        var pipes = new InlineConnection(FrameCodec.Line(FrameLength));
        var run = pipes.RunAsync(handler, new FrameHandlerOptions { SendStallTimeout = _limit }, time);
        var connection = await handler.Connection;
        Assert.Equal(SendResult.Accepted, connection.TrySend("a"u8));
        Assert.Equal(0, time.TimersDue);
        Assert.Equal(SendResult.Accepted, connection.TrySend(new byte[FrameLength]));
        await Poll.UntilAsync(() => time.TimersDue == 1);

        // The next look finds that nothing waits any more, and is the last one.
        pipes.Exchange("");
        await Poll.UntilAsync(() => connection.SendWaitsSince == 0);
        time.Advance(_limit);
        Assert.False(connection.HasTimedOut);
        Assert.Equal(0, time.TimersDue);

        Assert.Equal(SendResult.Accepted, connection.TrySend(new byte[FrameLength]));
        await Poll.UntilAsync(() => time.TimersDue == 1);
        time.Advance(_limit - _moment);
        Assert.False(connection.HasTimedOut);
        time.Advance(_moment);
        Assert.True(connection.HasTimedOut);
        await Poll.UntilAsync(() => connection.ConnectionClosed.IsCancellationRequested);
        pipes.End();
        pipes.StopReading();
        AssertTimedOut("SendStallTimeout", await handler.End);
        await run.DefaultTimeout();
    }

    [Fact]
    public async Task A_close_that_came_before_the_time_out_has_its_own_reason()
    {
        var time = new ManualTime();
        var handler = new Recorder();
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop, handler, new FrameHandlerOptions { IdleTimeout = _limit }, time: time);
        using var peer = await endpoint.ConnectAsync();
        await handler.Connection;
        await peer.ShutdownAsync();
        Assert.Null(await handler.End);
        time.Advance(_limit);
        Assert.Null(await handler.End);
        Assert.Empty(handler.Violations);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(4_300_000_000_000)]
    public void A_time_that_no_timer_accepts_is_refused(long milliseconds)
    {
        var time = TimeSpan.FromMilliseconds(milliseconds);
        Assert.Equal(
            "IdleTimeout",
            Assert.Throws<ArgumentOutOfRangeException>(() => new FrameHandlerOptions { IdleTimeout = time }).ParamName);
        Assert.Equal(
            "ReceiveIdleTimeout",
            Assert.Throws<ArgumentOutOfRangeException>(
                () => new FrameHandlerOptions { ReceiveIdleTimeout = time }).ParamName);
        Assert.Equal(
            "SendStallTimeout",
            Assert.Throws<ArgumentOutOfRangeException>(
                () => new FrameHandlerOptions { SendStallTimeout = time }).ParamName);
    }

    private static void AssertTimedOut(string limit, Exception? end)
    {
        var aborted = Assert.IsType<ConnectionAbortedException>(end);
        Assert.Contains($"({limit})", aborted.Message, StringComparison.Ordinal);
        Assert.IsType<TimeoutException>(aborted.InnerException);
    }
}
