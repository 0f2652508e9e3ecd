namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>Frames, ticks and wakes take turns, and do not wait for what is only queued.</summary>
public sealed class TurnTests
{
    /// <summary>
    /// On an event loop's own thread frames need no thread of the pool. A wake that waits for one must not hold them
    /// up.
    /// </summary>
    [Fact]
    public async Task Frames_do_not_wait_for_a_wake_that_is_only_queued()
    {
        FrameConnection? connection = null;
        var handler = new Recorder
        {
            Connected = c =>
            {
                connection = c;
                return default;
            },
            Frame = static (c, frame) =>
            {
                c.Write(System.Text.Encoding.ASCII.GetBytes(frame));
                return default;
            },
        };
        var pipes = new InlineConnection(FrameCodec.Line(100));
        var running = pipes.RunAsync(handler);

        // Disposed when no thread waits for it any more, because an exception of a work item ends the process.
        using var release = new ManualResetEventSlim();
        var blockers = ThreadPool.ThreadCount + 100;
        var blocked = blockers;
        for (var i = 0; i < blockers; i++)
        {
            ThreadPool.UnsafeQueueUserWorkItem(
                _ =>
                {
                    release.Wait();
                    Interlocked.Decrement(ref blocked);
                },
                null);
        }

        try
        {
            connection!.Wake();
            Assert.Equal("a\n", pipes.Exchange("a\n"));
            Assert.Equal("b\nc\n", pipes.Exchange("b\nc\n"));
        }
        finally
        {
            release.Set();
            await Poll.UntilAsync(() => Volatile.Read(ref blocked) == 0);
        }

        pipes.End();
        await running.DefaultTimeout();
        Assert.Empty(handler.Violations);
    }

    /// <summary>The reading loop runs what is due between two batches.</summary>
    [Fact]
    public async Task A_wake_does_not_wait_for_the_thread_pool_where_frames_arrive()
    {
        FrameConnection? connection = null;
        var handler = new Recorder
        {
            Connected = c =>
            {
                connection = c;
                return default;
            },
            Frame = static (c, _) =>
            {
                c.Wake();
                c.Write("frame"u8);
                return default;
            },
            Woken = static c =>
            {
                c.Write("wake"u8);
                return default;
            },
        };
        var pipes = new InlineConnection(FrameCodec.Line(100));
        var running = pipes.RunAsync(handler);
        Assert.Equal("frame\nframe\nwake\n", pipes.Exchange("a\nb\n"));
        Assert.Equal("frame\nwake\n", pipes.Exchange("a\n"));
        pipes.End();
        await running.DefaultTimeout();
        Assert.Empty(handler.Violations);
    }

    [Fact]
    public async Task Ticks_and_wakes_run_while_frames_keep_coming()
    {
        var handler = new Recorder();
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop, handler, new FrameHandlerOptions { TickInterval = TimeSpan.FromMilliseconds(1) });
        using var peer = await endpoint.ConnectAsync();
        var connection = await handler.Connection;
        using var done = new CancellationTokenSource();
        var typing = Task.Run(async () =>
        {
            while (!done.IsCancellationRequested)
            {
                await peer.SendAsync("a\na\na\na\n");
            }
        });
        await Poll.UntilAsync(() =>
        {
            connection.Wake();
            return Volatile.Read(ref handler.Ticks) >= 20 && Volatile.Read(ref handler.Wakes) >= 20;
        });
        await done.CancelAsync();
        await typing.DefaultTimeout();
        Assert.Empty(handler.Violations);
    }

    /// <summary>For example a heart-beat while a long request is answered.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ticks_run_beside_a_frame_only_where_that_is_allowed(bool isAllowed)
    {
        using var handler = new SlowHandler();
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop,
            handler,
            new FrameHandlerOptions { TickInterval = TimeSpan.FromMilliseconds(1), AllowConcurrentTicks = isAllowed });
        using var peer = await endpoint.ConnectAsync();
        await peer.SendAsync("a\n");
        if (isAllowed)
        {
            // While the frame waits to be released.
            await Poll.UntilAsync(() => handler.HasOverlapped);
            Assert.Equal("tick", await peer.ReceiveLineAsync());
        }

        handler.Release();
        while (await peer.ReceiveLineAsync() is var line && line != "frame")
        {
            Assert.Equal("tick", line);
        }

        await peer.ShutdownAsync();
        await peer.ReceiveTextToEndAsync();
        Assert.Equal(isAllowed, handler.HasOverlapped);
        Assert.False(handler.TicksOverlapped);
    }

    [Fact]
    public async Task A_tick_says_when_it_wants_to_be_called_next()
    {
        var time = new ManualTime();
        TimeSpan? next = TimeSpan.FromMinutes(5);
        var handler = new Recorder { NextTick = () => next };
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop,
            handler,
            new FrameHandlerOptions { TickInterval = TimeSpan.FromSeconds(10) },
            time: time);
        using var peer = await endpoint.ConnectAsync();
        await handler.Connection;
        await TickAfterAsync(TimeSpan.FromSeconds(10));

        next = null;
        await TickAfterAsync(TimeSpan.FromMinutes(5));
        await TickAfterAsync(TimeSpan.FromSeconds(10));

        next = Timeout.InfiniteTimeSpan;
        await TickAfterAsync(TimeSpan.FromSeconds(10));
        time.Advance(TimeSpan.FromDays(10));
        await SettleAsync();
        Assert.Equal(4, handler.Ticks);
        Assert.Empty(handler.Violations);

        async Task TickAfterAsync(TimeSpan delay)
        {
            await SettleAsync();
            var ticks = handler.Ticks;
            time.Advance(delay - TimeSpan.FromMilliseconds(1));
            await SettleAsync();
            Assert.Equal(ticks, handler.Ticks);
            time.Advance(TimeSpan.FromMilliseconds(1));
            await Poll.UntilAsync(() => Volatile.Read(ref handler.Ticks) != ticks);
        }

        // A frame is handled behind what was asked for before, and the timer is there by then.
        async Task SettleAsync()
        {
            var frames = handler.Frames;
            await peer.SendAsync("a\n");
            await Poll.UntilAsync(() => Volatile.Read(ref handler.Frames) != frames);
            await peer.SendAsync("a\n");
            await Poll.UntilAsync(() => Volatile.Read(ref handler.Frames) > frames + 1);
        }
    }

    [Fact]
    public async Task A_tick_that_became_due_while_another_time_was_chosen_does_not_come()
    {
        var time = new ManualTime();
        var released = Recorder.NewSource<bool>();
        var handler = new Recorder
        {
            Tick = async _ => await released.Task,
            NextTick = static () => TimeSpan.FromMinutes(5),
        };
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop,
            handler,
            new FrameHandlerOptions { TickInterval = TimeSpan.FromSeconds(10) },
            time: time);
        using var peer = await endpoint.ConnectAsync();
        await handler.Connection;

        // Ticks may not have begun yet.
        await Poll.UntilAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(10));
            return Volatile.Read(ref handler.Ticks) == 1;
        });
        time.Advance(TimeSpan.FromSeconds(10));
        released.SetResult(true);

        // What is due runs between two frames.
        for (var frames = 1; frames <= 3; frames++)
        {
            await peer.SendAsync("a\n");
            await Poll.UntilAsync(() => Volatile.Read(ref handler.Frames) == frames);
        }

        Assert.Equal(1, handler.Ticks);
        time.Advance(TimeSpan.FromMinutes(5));
        await Poll.UntilAsync(() => Volatile.Read(ref handler.Ticks) == 2);
        Assert.Empty(handler.Violations);
    }

    [Fact]
    public async Task A_tick_that_asks_for_a_delay_that_is_none_is_the_applications_fault()
    {
        var handler = new Recorder { NextTick = static () => TimeSpan.Zero };
        await using var endpoint = await FrameServer.StartAsync(
            EndpointKind.EventLoop, handler, new FrameHandlerOptions { TickInterval = TimeSpan.FromMilliseconds(1) });
        using var peer = await endpoint.ConnectAsync();
        Assert.Contains("OnTickAsync returned 00:00:00", (await handler.End)!.Message, StringComparison.Ordinal);
        await endpoint.StopAsync();
        Assert.Contains("OnTickAsync", endpoint.Logs.TakeSingle().ToString(), StringComparison.Ordinal);
    }

    private sealed class SlowHandler : FrameHandler, IDisposable
    {
        private readonly SemaphoreSlim _released = new(0);
        private int _framesRun;
        private int _ticksRun;

        public volatile bool HasOverlapped;

        public volatile bool TicksOverlapped;

        public void Release() => _released.Release();

        public void Dispose() => _released.Dispose();

        protected internal override async ValueTask OnFrameAsync(
            FrameConnection connection, System.Buffers.ReadOnlySequence<byte> frame)
        {
            Interlocked.Increment(ref _framesRun);
            await _released.WaitAsync();
            connection.Write("frame"u8);
            Interlocked.Decrement(ref _framesRun);
        }

        protected internal override async ValueTask<TimeSpan?> OnTickAsync(FrameConnection connection)
        {
            HasOverlapped |= Volatile.Read(ref _framesRun) > 0;
            TicksOverlapped |= Interlocked.Increment(ref _ticksRun) != 1;
            await Task.Yield();
            connection.TrySend("tick"u8);
            Interlocked.Decrement(ref _ticksRun);
            return null;
        }
    }
}
