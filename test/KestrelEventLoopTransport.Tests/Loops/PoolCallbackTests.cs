using KestrelEventLoopTransport.Loops;
using ThreadState = KestrelEventLoopTransport.Tests.Adaptive.ThreadState;

namespace KestrelEventLoopTransport.Tests.Loops;

/// <summary>Callbacks that run on the .NET thread pool are looked after as those on a loop are.</summary>
[Trait("Contract", "loops")]
[FailsOnStock("Loops of ours.")]
public sealed class PoolCallbackTests
{
    /// <summary>The pool itself cleans a thread only after all callbacks of a batch.</summary>
    [Fact]
    public async Task What_a_callback_leaves_on_its_thread_is_not_seen_by_the_next_of_the_batch()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.ThreadPool);
        var seen = new List<(int Thread, string? Name, ThreadState State)>();
        var callbacks = Enumerable.Range(0, 20).Select(i => LoopSubject.Callback(() =>
        {
            lock (seen)
            {
                seen.Add((Environment.CurrentManagedThreadId, Thread.CurrentThread.Name, ThreadState.Capture()));
            }

            ThreadState.Spoil(suppressFlow: i % 2 == 0);
        })).ToList();

        // One batch, as those of one poll are.
        await subject.RunAsync(() => callbacks.ForEach(subject.Loop.Callbacks.Post));
        await Task.WhenAll(callbacks.Select(static callback => callback.Ran)).DefaultTimeout();

        Assert.All(seen, static use => Assert.Equal(ThreadState.Clean, use.State));
        Assert.Single(seen.Select(static use => use.Name).Distinct());
    }

    /// <summary>What the pool's threads do next is none of the loop's callbacks.</summary>
    [Fact]
    public async Task The_activity_is_left_when_the_batch_ends()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.ThreadPool);
        for (var i = 0; i < 20; i++)
        {
            var callback = LoopSubject.Callback(static () => Assert.NotNull(ThreadActivity.Current));
            subject.Loop.Callbacks.Post(callback);
            await callback.Ran.DefaultTimeout();
            await Task.WhenAll(
                Enumerable.Range(0, 20).Select(static _ => Task.Run(static () => Assert.Null(ThreadActivity.Current))));
        }
    }

    /// <summary>The time of one callback that was overdue is not told again for those that follow.</summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task An_overdue_callback_is_measured_once(ApplicationScheduling scheduling)
    {
        const int Short = 50;
        await using var subject = new LoopSubject(
            scheduling, static options => options.Adaptive.HandOffThreshold = TimeSpan.FromMilliseconds(5));
        using var instruments = new LoopInstruments(subject.Services);
        var overdue = 0;
        await Poll.UntilAsync(async () =>
        {
            var callback = LoopSubject.Callback(static () => Thread.Sleep(30));
            subject.Loop.Callbacks.Post(callback);
            await callback.Ran.DefaultTimeout();
            overdue++;
            return instruments.OverdueSeconds.Count > 0;
        });

        for (var i = 0; i < Short; i++)
        {
            var next = LoopSubject.Callback(static () => { });
            subject.Loop.Callbacks.Post(next);
            await next.Ran.DefaultTimeout();
            await Task.Delay(i % 2 * 10);
        }

        // A machine that stops makes a short one overdue as well, now and then.
        Assert.InRange(instruments.OverdueSeconds.Count, 1, overdue + (Short / 4));
    }

    /// <summary>Each of a batch may block: the others go on with another thread.</summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Callbacks_behind_one_that_blocks_run(ApplicationScheduling scheduling)
    {
        await using var subject = new LoopSubject(scheduling);
        using var open = new ManualResetEventSlim();
        var blocked = LoopSubject.Callback(open.Wait);
        var behind = Enumerable.Range(0, 20).Select(static _ => LoopSubject.Callback(static () => { })).ToList();
        try
        {
            await subject.RunAsync(() =>
            {
                subject.Loop.Callbacks.Post(blocked);
                behind.ForEach(subject.Loop.Callbacks.Post);
            });
            await Task.WhenAll(behind.Select(static callback => callback.Ran)).DefaultTimeout();
        }
        finally
        {
            open.Set();
        }

        await blocked.Ran.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_rest_of_a_callback_that_yields_is_supervised(ApplicationScheduling scheduling)
    {
        await using var subject = new LoopSubject(scheduling);
        var overdue = Signal.New();
        var rest = LoopSubject.Callback(
            () => Assert.True(overdue.Task.Wait(TaskTimeoutExtensions.Default)), () => overdue.TrySetResult());

        await subject.RunAsync(() => subject.Loop.Callbacks.Yield(rest));

        await overdue.Task.DefaultTimeout();
        await rest.Ran.DefaultTimeout();
    }

    /// <summary>With inline scheduling nobody else runs the loop: the rest must not wait for it.</summary>
    [Fact]
    public async Task The_rest_of_an_inline_callback_does_not_wait_for_the_loop()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Inline);
        var rest = new WorkItem(static () => Assert.True(Thread.CurrentThread.IsThreadPoolThread));
        var others = Enumerable.Range(0, 20).Select(static _ => new WorkItem(static () => { })).ToList();

        await subject.RunAsync(() =>
        {
            subject.Loop.Callbacks.Yield(rest);
            rest.Wait();
            others.ForEach(subject.Loop.Callbacks.Yield);
        });

        await Task.WhenAll(others.Select(static other => other.Ran)).DefaultTimeout();
    }

    /// <summary>End to end: a handler that reads on and on yields, blocks then, and is seen.</summary>
    [Fact]
    public async Task An_inline_handler_that_blocks_on_the_pool_is_seen()
    {
        const int Bytes = 2_000_000;
        var roadblock = new Roadblock();
        var hasSlot = false;
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Inline,
            Transport = static options => (options.EventLoopCount, options.MaxReadBufferSize) = (1, 4096),
            Connection = async connection =>
            {
                while (true)
                {
                    var result = await connection.Transport.Input.ReadAsync();
                    connection.Transport.Input.AdvanceTo(result.Buffer.End);
                    if (Thread.CurrentThread.IsThreadPoolThread && roadblock.Arrived == 0)
                    {
                        hasSlot = ThreadActivity.Current is not null;
                        roadblock.Block();
                    }

                    if (result.IsCompleted)
                    {
                        return;
                    }
                }
            },
        });
        using var opening = roadblock;
        using var instruments = new LoopInstruments(server.Services);
        using var client = await server.ConnectAsync();
        var sending = Task.Run(async () =>
        {
            while (roadblock.Arrived == 0)
            {
                await client.SendAsync(new byte[Bytes]);
            }
        });

        await roadblock.UntilArrivedAsync(1);

        Assert.True(hasSlot);
        var longest = instruments.LongestCallback;
        await Poll.UntilAsync(() => instruments.LongestCallback > longest);
        roadblock.Open();
        await sending.DefaultTimeout();
    }
}
