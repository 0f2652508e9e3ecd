using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>A peer that keeps the connection waiting is reset, whatever the logger does.</summary>
public sealed class TimeoutTests
{
    private const int FrameLength = 64 * 1024 - 1;

    private static readonly TimeSpan _limit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan _moment = TimeSpan.FromMilliseconds(1);

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
            await handler.AssertTimedOutAsync("IdleTimeout");
            await peer.ReceiveUntilGoneAsync();
        }
        finally
        {
            release.Set();
        }
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
        await handler.AssertTimedOutAsync("IdleTimeout");
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
            await Poll.UntilAsync(() => connection.ReceiveWaitsSince == time.GetTimestamp());
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
        await Poll.UntilAsync(() => connection.ReceiveWaitsSince == time.GetTimestamp());
        time.Advance(_limit - _moment);
        Assert.False(connection.HasTimedOut);

        // What is sent does not help.
        await connection.SendAsync("b"u8.ToArray());
        time.Advance(_moment);
        Assert.True(connection.HasTimedOut);
        await handler.AssertTimedOutAsync("ReceiveIdleTimeout");
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
        await handler.AssertTimedOutAsync("SendStallTimeout");
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
        await handler.AssertTimedOutAsync("SendStallTimeout");
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
}
