using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Tests.Loops;

/// <summary>Everything that is posted to a loop runs, though nothing else ever wakes the loop.</summary>
[Trait("Contract", "loops")]
[FailsOnStock("Loops of ours.")]
public sealed class LostWorkTests
{
    // More than a turn runs.
    private const int Many = 1000;

    // How long a narrow race is tried.
    private const int Milliseconds = 300;

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task More_work_than_a_turn_takes_runs(ApplicationScheduling scheduling)
    {
        await using var subject = new LoopSubject(scheduling);
        var items = Enumerable.Range(0, Many).Select(static _ => new WorkItem(static () => { })).ToList();

        // On the loop's thread, which wakes nobody.
        await subject.RunAsync(() => items.ForEach(subject.Loop.Post));

        await Task.WhenAll(items.Select(static item => item.Ran)).DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Work_that_posts_the_next_runs_turn_after_turn(ApplicationScheduling scheduling)
    {
        await using var subject = new LoopSubject(scheduling);
        var last = new WorkItem(static () => { });
        var left = Many;

        subject.Loop.Post(new WorkItem(Next));

        await last.Ran.DefaultTimeout();

        void Next() => subject.Loop.Post(--left == 0 ? last : new WorkItem(Next));
    }

    /// <summary>
    /// Callbacks that the loop takes back from the pool run after its work: what they post waits for the next turn.
    /// </summary>
    [Fact]
    public async Task Work_posted_at_the_very_end_of_a_turn_runs()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        for (var i = 0; i < 100; i++)
        {
            var posted = new WorkItem(static () => { });
            await subject.RunAsync(() => subject.Loop.Callbacks.Post(new WorkItem(() => subject.Loop.Post(posted))));
            await posted.Ran.DefaultTimeout();
        }
    }

    /// <summary>
    /// The loop goes to sleep just as the next item comes, again and again: whoever posts it either finds the loop
    /// awake, and then it is seen, or wakes it.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Work_that_comes_while_the_loop_goes_to_sleep_runs(int posters)
    {
        await using var subject = new LoopSubject(ApplicationScheduling.ThreadPool);

        // The loop looks at the clock before it sleeps.
        DelayedWork.Schedule(subject.Loop, new WorkItem(static () => { }), milliseconds: int.MaxValue);

        await Task.WhenAll(Enumerable.Range(0, posters).Select(_ => Task.Factory.StartNew(
            () => PostOneByOne(subject), TaskCreationOptions.LongRunning)));
    }

    private static void PostOneByOne(LoopSubject subject)
    {
        var ran = 0;

        // The poster sees that it has run, and posts the next, while the loop is somewhere between here and its sleep.
        var item = new WorkItem(() =>
        {
            for (var left = Interlocked.Increment(ref ran) % 500; left > 0; left--)
            {
                Volatile.Read(ref ran);
            }
        });
        var end = Environment.TickCount64 + Milliseconds;
        for (var round = 1; Environment.TickCount64 < end; round++)
        {
            subject.Loop.Post(item);
            for (var looks = 0; Volatile.Read(ref ran) != round && looks < 20_000; looks++)
            {
            }

            var hung = Environment.TickCount64 + (long)TaskTimeoutExtensions.Default.TotalMilliseconds;
            for (var wait = default(SpinWait); Volatile.Read(ref ran) != round; wait.SpinOnce(sleep1Threshold: -1))
            {
                Assert.True(Environment.TickCount64 < hung, $"Round {round} was lost.");
            }
        }
    }

    /// <summary>The same for a timer that must shorten the loop's sleep.</summary>
    [Fact]
    public async Task A_timer_that_is_due_before_the_others_runs_first()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.ThreadPool);
        DelayedWork.Schedule(subject.Loop, new WorkItem(static () => { }), milliseconds: int.MaxValue);
        for (var i = 0; i < 50; i++)
        {
            var timer = new WorkItem(static () => { });
            DelayedWork.Schedule(subject.Loop, timer, milliseconds: i % 3);
            await timer.Ran.DefaultTimeout();
        }
    }

    [Fact]
    public async Task Timers_run_when_they_are_due_and_not_earlier()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.ThreadPool);
        var early = 0;
        var timers = new List<WorkItem>();
        for (var delay = 40; delay >= 0; delay -= 2)
        {
            var due = LoopClock.After(delay);
            var timer = new WorkItem(() => early += LoopClock.Now < due ? 1 : 0);
            DelayedWork.Schedule(subject.Loop, timer, delay);
            timers.Add(timer);
        }

        await Task.WhenAll(timers.Select(static timer => timer.Ran)).DefaultTimeout();

        Assert.Equal(0, early);
    }

    /// <summary>What the old owner leaves is run by the next: items, due timers, callbacks for the pool.</summary>
    [Fact]
    public async Task Work_behind_a_callback_that_blocks_is_run_by_the_next_owner()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        using var open = new ManualResetEventSlim();
        var behind = Enumerable.Range(0, Many).Select(static _ => new WorkItem(static () => { })).ToList();
        var timer = new WorkItem(static () => { });
        var pooled = new WorkItem(static () => { });
        var blocked = LoopSubject.Callback(open.Wait);
        try
        {
            await subject.RunAsync(() =>
            {
                subject.Loop.Post(blocked);
                behind.ForEach(subject.Loop.Post);
                subject.Loop.Callbacks.Post(pooled);
                DelayedWork.Schedule(subject.Loop, timer, 0);
            });

            await Task.WhenAll([.. behind.Select(static item => item.Ran), timer.Ran, pooled.Ran]).DefaultTimeout();
            Assert.False(blocked.Ran.IsCompleted);
        }
        finally
        {
            open.Set();
        }

        await blocked.Ran.DefaultTimeout();
    }

    /// <summary>Whom the posting thread takes for the owner may just have lost the loop.</summary>
    [Fact]
    public async Task Work_posted_by_a_callback_that_has_lost_the_loop_runs()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        for (var i = 0; i < 20; i++)
        {
            var posted = new WorkItem(static () => { });
            var callback = LoopSubject.Callback(() =>
            {
                Thread.Sleep(i % 4);
                subject.Loop.Post(posted);
                posted.Wait();
            });
            subject.Loop.Post(callback);
            await callback.Ran.DefaultTimeout();
        }
    }

    /// <summary>
    /// The last standby thread runs the loop then, so the loop's own may not run what waits for the pool.
    /// </summary>
    [Fact]
    public async Task Callbacks_behind_one_that_blocks_run_on_the_pool_when_standby_threads_are_short()
    {
        await using var subject = new LoopSubject(
            ApplicationScheduling.Adaptive, static options => options.Adaptive.MaxStandbyThreads = 1);
        var pooled = new WorkItem(static () => { });
        var callback = LoopSubject.Callback(() =>
        {
            subject.Loop.Callbacks.Post(pooled);
            pooled.Wait();
        });

        subject.Loop.Post(callback);

        await callback.Ran.DefaultTimeout();
    }

    /// <summary>The old owner touches nothing when its callback returns, whatever it came from.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Who_has_lost_the_loop_runs_none_of_its_work(bool byTimer)
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        for (var i = 0; i < 5; i++)
        {
            using var open = new ManualResetEventSlim();
            var behind = new WorkItem(static () => { });
            var old = 0;
            var byOld = 0;
            var items = new List<WorkItem>();
            var callback = LoopSubject.Callback(() =>
            {
                old = Environment.CurrentManagedThreadId;
                subject.Loop.Post(behind);
                open.Wait();

                // So much that it is not over when this returns.
                items.AddRange(Enumerable.Range(0, Many).Select(_ => new WorkItem(() =>
                {
                    Volatile.Write(
                        ref byOld, Volatile.Read(ref byOld) + (Environment.CurrentManagedThreadId == old ? 1 : 0));
                    Thread.SpinWait(50);
                })));
                items.ForEach(byTimer ? item => DelayedWork.Schedule(subject.Loop, item, 0) : subject.Loop.Post);
            });
            if (byTimer)
            {
                DelayedWork.Schedule(subject.Loop, callback, 0);
            }
            else
            {
                subject.Loop.Post(callback);
            }

            await behind.Ran.DefaultTimeout();
            open.Set();
            await callback.Ran.DefaultTimeout();
            await Task.WhenAll(items.Select(static item => item.Ran)).DefaultTimeout();
            Assert.Equal(0, byOld);
        }
    }

    /// <summary>Code inside code: when the inner one has returned, the outer one is looked after again.</summary>
    [Fact]
    public async Task Work_behind_a_callback_that_ran_another_inside_and_blocks_then_is_run()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        for (var i = 0; i < 3; i++)
        {
            var told = 0;
            var behind = new WorkItem(static () => { });
            var callback = LoopSubject.Callback(
                () =>
                {
                    LoopSubject.Callback(static () => { }).Execute();
                    Assert.NotEqual(0, Volatile.Read(ref told));
                    subject.Loop.Post(behind);
                    behind.Wait();
                },
                () => Interlocked.Increment(ref told));
            subject.Loop.Post(callback);
            await callback.Ran.DefaultTimeout();
        }
    }

    /// <summary>Code begins to block just as the supervisor, which found nothing to look at, goes to sleep.</summary>
    [Fact]
    public async Task Work_behind_a_callback_that_blocks_now_and_then_is_run()
    {
        await using var subject = new LoopSubject(
            ApplicationScheduling.Adaptive,
            static options => options.Adaptive.HandOffThreshold = TimeSpan.FromMicroseconds(100));
        var end = Environment.TickCount64 + Milliseconds;
        for (var round = 0; Environment.TickCount64 < end; round++)
        {
            var behind = new WorkItem(static () => { });
            var callback = LoopSubject.Callback(() =>
            {
                subject.Loop.Post(behind);
                behind.Wait();
            });
            subject.Loop.Post(LoopSubject.Callback(static () => { }));

            // It looks a tick later.
            WorkItem.Compute(TimeSpan.FromMicroseconds(50 + (round % 100)));
            subject.Loop.Post(callback);
            await callback.Ran.DefaultTimeout();
        }
    }

    [Theory]
    [InlineData(ApplicationScheduling.Adaptive)]
    [InlineData(ApplicationScheduling.Inline)]
    public async Task Work_posted_by_a_callback_that_outlives_the_loop_runs(ApplicationScheduling scheduling)
    {
        await using var subject = new LoopSubject(scheduling);
        var posted = new WorkItem(static () => { });
        var pooled = new WorkItem(static () => { });
        var callback = LoopSubject.Callback(() =>
        {
            Assert.True(subject.StopAsync().Wait(TaskTimeoutExtensions.Default));
            subject.Loop.Callbacks.Post(pooled);
            pooled.Wait();
            subject.Loop.Post(posted);
            posted.Wait();
        });

        subject.Loop.Post(callback);

        await callback.Ran.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Work_that_is_left_when_the_loop_ends_and_work_that_comes_later_runs(
        ApplicationScheduling scheduling)
    {
        await using var subject = new LoopSubject(scheduling);
        var left = new WorkItem(static () => { });
        var pooled = new WorkItem(static () => { });
        await subject.RunAsync(() =>
        {
            // The rest of a turn that is not run any more.
            _ = subject.StopAsync();
            for (var i = 0; i < Many; i++)
            {
                subject.Loop.Post(new WorkItem(static () => { }));
            }

            subject.Loop.Post(left);
            subject.Loop.Callbacks.Post(pooled);
        });

        await left.Ran.DefaultTimeout();
        await pooled.Ran.DefaultTimeout();
        await subject.StopAsync().DefaultTimeout();
        var late = new WorkItem(static () => { });
        var latePooled = new WorkItem(static () => { });
        subject.Loop.Post(late);
        subject.Loop.Callbacks.Post(latePooled);
        await late.Ran.DefaultTimeout();
        await latePooled.Ran.DefaultTimeout();
    }

    /// <summary>A post and the end of the loop at the same time.</summary>
    [Fact]
    public async Task Work_posted_while_the_loop_ends_runs()
    {
        for (var i = 0; i < 50; i++)
        {
            await using var subject = new LoopSubject(ApplicationScheduling.ThreadPool);
            var items = Enumerable.Range(0, 200).Select(static _ => new WorkItem(static () => { })).ToList();
            var posting = Task.Run(() => items.ForEach(subject.Loop.Post));
            await subject.StopAsync().DefaultTimeout();
            await posting;
            await Task.WhenAll(items.Select(static item => item.Ran)).DefaultTimeout();
        }
    }
}
