using System.Diagnostics;
using Microsoft.AspNetCore.Hosting;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>A connection on which nothing happens is reset, whatever its callbacks are doing.</summary>
public sealed class IdleTimeoutTests
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
        await handler.AssertTimedOutAsync("IdleTimeout");
        if (kind.IsTls())
        {
            await peer.ReceiveUntilGoneAsync();
        }
        else
        {
            // No FIN: bytes may be left that the transport has taken.
            await peer.ExpectResetAsync();
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
        await handler.AssertTimedOutAsync(limit);
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
        await handler.AssertTimedOutAsync("IdleTimeout");
        Assert.True(Stopwatch.GetElapsedTime(start) >= limit);
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
        var tick = TimeSpan.FromMilliseconds(1);
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
            new FrameHandlerOptions { IdleTimeout = _limit, TickInterval = tick },
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

        // Ticks may not have begun yet. They are so short that the limit is far when they do.
        await Poll.UntilAsync(() =>
        {
            time.Advance(callback == "tick" ? tick : TimeSpan.Zero);
            return waiting.Task.IsCompleted;
        });
        time.Advance(_limit);
        await peer.ReceiveUntilGoneAsync();
        await Poll.UntilAsync(() => connection.ConnectionClosed.IsCancellationRequested);
        released.SetResult(true);
        await handler.AssertTimedOutAsync("IdleTimeout");
        Assert.Empty(handler.Violations);

        async ValueTask Wait(string where)
        {
            if (where == callback && waiting.TrySetResult(true))
            {
                await released.Task;
            }
        }
    }
}
