using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Loops;

/// <summary>What an application sees of a connection's event loop.</summary>
[Trait("Contract", "loops")]
[FailsOnStock("Stock has no loops.")]
public sealed class LoopFeatureTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "14")]
    public async Task Each_connection_has_its_loop_under_two_types(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var features = pair.Connection.Features;
        var loop = features.Get<IEventLoopFeature>()!;

        Assert.InRange(loop.Index, 0, 1);
        Assert.Same(loop.Time, features.Get<TimeProvider>());
        Assert.Contains(features, feature => feature.Key == typeof(IEventLoopFeature) && feature.Value == loop);
        Assert.Contains(features, feature => feature.Key == typeof(TimeProvider) && feature.Value == loop.Time);
        features.Set<TimeProvider>(null);
        Assert.Null(features.Get<TimeProvider>());
        Assert.DoesNotContain(features, static feature => feature.Key == typeof(TimeProvider));
        Assert.Same(loop, features.Get<IEventLoopFeature>());
    }

    /// <summary>Where handlers run, posted work and timers run.</summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Work_and_timers_run_where_handlers_do(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var loop = pair.Connection.Features.Get<IEventLoopFeature>()!;

        // Adaptive runs code on the pool while standby threads are short, as they may be for a moment.
        var isOnLoop = scheduling != ApplicationScheduling.ThreadPool;
        await Poll.UntilAsync(async () =>
        {
            var work = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            loop.Post(new WorkItem(() => work.SetResult(loop.IsCurrent)));
            return await work.Task.DefaultTimeout() == isOnLoop;
        });
        await Poll.UntilAsync(async () =>
        {
            var call = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var timer = loop.Time.CreateTimer(
                _ => call.TrySetResult(loop.IsCurrent), null, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
            return await call.Task.DefaultTimeout() == isOnLoop;
        });
    }

    [Fact]
    public async Task Work_that_blocks_does_not_keep_the_loop()
    {
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive, static options => options.EventLoopCount = 1);
        await using var pair = await transport.ConnectAsync();
        var loop = pair.Connection.Features.Get<IEventLoopFeature>()!;
        using var release = new ManualResetEventSlim();
        var blocked = new WorkItem(() => Assert.True(release.Wait(TaskTimeoutExtensions.Default)));
        loop.Post(blocked);
        var echo = Echo.RunAsync(pair.Connection);
        await Echo.RoundTripAsync(pair.Client);
        Assert.False(blocked.Ran.IsCompleted);
        release.Set();
        await blocked.Ran.DefaultTimeout();
        pair.Client.ShutdownSend();
        await echo.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Work_that_is_posted_after_the_end_runs(ApplicationScheduling scheduling)
    {
        IEventLoopFeature loop;
        await using (var transport = new TestTransport(scheduling))
        {
            await using var pair = await transport.ConnectAsync();
            loop = pair.Connection.Features.Get<IEventLoopFeature>()!;
        }

        var work = new WorkItem(static () => { });
        loop.Post(work);
        await work.Ran.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task What_work_and_timers_throw_is_logged_and_ends_nothing(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var loop = pair.Connection.Features.Get<IEventLoopFeature>()!;
        loop.Post(new WorkItem(static () => throw new InvalidOperationException("work")));
        await using var timer = loop.Time.CreateTimer(
            static _ => throw new InvalidOperationException("timer"),
            null,
            TimeSpan.FromMilliseconds(1),
            Timeout.InfiniteTimeSpan);
        await Poll.UntilAsync(() => Errors() == "timer, work");
        var next = new WorkItem(static () => { });
        loop.Post(next);
        await next.Ran.DefaultTimeout();

        string Errors() => string.Join(", ", transport.Logs.Entries
            .Where(static entry => entry.Level == LogLevel.Error)
            .Select(static entry => entry.Exception!.Message)
            .Order());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_timer_calls_at_its_time_and_then_in_its_period(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var time = pair.Connection.Features.Get<TimeProvider>()!;
        var state = new object();
        var calls = new List<TimeSpan>();
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var start = time.GetTimestamp();
        await using var timer = time.CreateTimer(
            given =>
            {
                lock (calls)
                {
                    Assert.Same(state, given);
                    calls.Add(time.GetElapsedTime(start));
                    if (calls.Count == 4)
                    {
                        done.SetResult();
                    }
                }
            },
            state,
            TimeSpan.FromMilliseconds(40),
            TimeSpan.FromMilliseconds(20));
        await done.Task.DefaultTimeout();
        Assert.All(calls, static (elapsed, i) => Assert.True(
            elapsed >= TimeSpan.FromMilliseconds(40 + (20 * i)), $"Call {i} after {elapsed}."));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_timer_is_moved_stopped_and_disposed(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var time = pair.Connection.Features.Get<TimeProvider>()!;
        var calls = 0;
        var never = Timeout.InfiniteTimeSpan;
        var timer = time.CreateTimer(_ => Interlocked.Increment(ref calls), null, never, never);
        Assert.True(timer.Change(TimeSpan.FromHours(1), never));
        Assert.True(timer.Change(TimeSpan.FromMilliseconds(1), TimeSpan.Zero));
        await Poll.UntilAsync(() => Volatile.Read(ref calls) == 1);

        // A later timer of the same loop has called, and this one has not.
        Assert.True(timer.Change(TimeSpan.FromMilliseconds(20), never));
        Assert.True(timer.Change(never, never));
        await Task.Delay(TimeSpan.FromMilliseconds(40), time).DefaultTimeout();
        Assert.True(timer.Change(TimeSpan.FromMilliseconds(20), never));
        await timer.DisposeAsync();
        await Task.Delay(TimeSpan.FromMilliseconds(40), time).DefaultTimeout();
        Assert.Equal(1, calls);
        Assert.False(timer.Change(TimeSpan.Zero, never));
    }

    /// <summary>As with the timers of .NET, also when the call was posted already.</summary>
    [Fact]
    public async Task A_disposed_timer_begins_no_call()
    {
        await using var transport = new TestTransport(
            ApplicationScheduling.Inline, static options => options.EventLoopCount = 1);
        await using var pair = await transport.ConnectAsync();
        var loop = pair.Connection.Features.Get<IEventLoopFeature>()!;
        var calls = 0;
        var never = Timeout.InfiniteTimeSpan;
        var timers = new List<ITimer>();
        for (var i = 0; i < 100; i++)
        {
            timers.Add(loop.Time.CreateTimer(_ => Call(), null, never, never));
        }

        // Their calls are posted together, and the first one that runs disposes all of them.
        var sets = new WorkItem(() => timers.ForEach(timer => timer.Change(TimeSpan.Zero, never)));
        loop.Post(sets);
        await sets.Ran.DefaultTimeout();
        await Poll.UntilAsync(() => Volatile.Read(ref calls) > 0);
        await Task.Delay(TimeSpan.FromMilliseconds(20), loop.Time).DefaultTimeout();
        var last = new WorkItem(static () => { });
        loop.Post(last);
        await last.Ran.DefaultTimeout();
        Assert.Equal(1, calls);

        void Call()
        {
            Interlocked.Increment(ref calls);
            timers.ForEach(static timer => timer.Dispose());
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_timer_is_disposed_when_its_call_has_returned(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var time = pair.Connection.Features.Get<TimeProvider>()!;
        using var release = new ManualResetEventSlim();
        var began = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var timer = time.CreateTimer(
            _ =>
            {
                began.SetResult();
                Assert.True(release.Wait(TaskTimeoutExtensions.Default));
            },
            null,
            TimeSpan.Zero,
            Timeout.InfiniteTimeSpan);
        await began.Task.DefaultTimeout();
        timer.Dispose();
        var disposed = timer.DisposeAsync().AsTask();
        Assert.False(disposed.IsCompleted);
        release.Set();
        await disposed.DefaultTimeout();
        Assert.True(timer.DisposeAsync().AsTask().IsCompleted);
    }

    /// <summary>What waits for a timer does not wait for ever.</summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Timers_call_after_the_end(ApplicationScheduling scheduling)
    {
        TimeProvider time;
        Task waiting;
        ITimer stopped;
        var calls = 0;
        var start = 0L;
        var delay = TimeSpan.FromMilliseconds(300);
        await using (var transport = new TestTransport(scheduling))
        {
            await using var pair = await transport.ConnectAsync();
            time = pair.Connection.Features.Get<TimeProvider>()!;
            start = time.GetTimestamp();
            waiting = Task.Delay(delay, time);
            stopped = time.CreateTimer(
                _ => Interlocked.Increment(ref calls), null, TimeSpan.FromHours(1), Timeout.InfiniteTimeSpan);
        }

        await waiting.DefaultTimeout();
        Assert.True(time.GetElapsedTime(start) >= delay);
        await Task.Delay(TimeSpan.FromMilliseconds(1), time).DefaultTimeout();
        Assert.True(stopped.Change(TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(1)));
        await Poll.UntilAsync(() => Volatile.Read(ref calls) > 2);
        await stopped.DisposeAsync();
        var last = calls;
        await Task.Delay(TimeSpan.FromMilliseconds(20), time).DefaultTimeout();
        Assert.Equal(last, calls);
    }

    [Fact]
    public async Task A_wrong_argument_is_refused()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        await using var pair = await transport.ConnectAsync();
        var loop = pair.Connection.Features.Get<IEventLoopFeature>()!;
        Assert.Throws<ArgumentNullException>(() => loop.Post(null!));
        Assert.Throws<ArgumentNullException>(() => Create(null!, TimeSpan.Zero, TimeSpan.Zero));
        Assert.Throws<ArgumentOutOfRangeException>(() => Create(static _ => { }, TimeSpan.FromDays(50), TimeSpan.Zero));
        Assert.Throws<ArgumentOutOfRangeException>(() => Create(static _ => { }, TimeSpan.Zero, TimeSpan.FromDays(-1)));

        void Create(TimerCallback callback, TimeSpan dueTime, TimeSpan period)
            => loop.Time.CreateTimer(callback, null, dueTime, period).Dispose();
    }
}
