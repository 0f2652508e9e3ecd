using System.Collections.Concurrent;
using System.Diagnostics;
using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Tests.Loops;

/// <summary>A loop whose connections are written from the thread pool runs its turns there.</summary>
[Trait("Contract", "loops")]
[FailsOnStock("Loops of ours.")]
public sealed class LoanTests
{
    [Theory]
    [InlineData(ApplicationScheduling.Adaptive)]
    [InlineData(ApplicationScheduling.ThreadPool)]
    public async Task The_pool_runs_a_loop_with_connections_that_are_written_outside(ApplicationScheduling scheduling)
    {
        await using var subject = new LoopSubject(scheduling);

        var onPool = new TaskCompletionSource();
        subject.Loop.Post(new WorkItem(Work));
        await onPool.Task.DefaultTimeout();

        // Without such connections it is at home again.
        await Poll.UntilAsync(async () =>
        {
            var ranOnPool = true;
            await subject.RunAsync(() =>
            {
                ranOnPool = Thread.CurrentThread.IsThreadPoolThread;
                subject.Loop.OnEdge(isWrittenOutside: false);
            });
            return !ranOnPool;
        });

        void Work()
        {
            Assert.True(subject.Loop.IsCurrent);
            if (Thread.CurrentThread.IsThreadPoolThread)
            {
                onPool.TrySetResult();
                return;
            }

            // As a stream of HTTP/2 does: the work goes to the pool, and its output comes back from there.
            subject.Loop.OnEdge(isWrittenOutside: true);
            ThreadPool.QueueUserWorkItem(_ => subject.Loop.Post(new WorkItem(Work)));
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_loop_with_connections_that_are_written_in_their_callbacks_stays_at_home(
        ApplicationScheduling scheduling)
    {
        await using var subject = new LoopSubject(scheduling);
        for (var i = 0; i < 100; i++)
        {
            await subject.RunAsync(() =>
            {
                Assert.False(Thread.CurrentThread.IsThreadPoolThread);
                subject.Loop.OnEdge(isWrittenOutside: true);
                subject.Loop.OnEdge(isWrittenOutside: false);
            });
        }
    }

    [Fact]
    public async Task With_inline_scheduling_a_loop_stays_at_home()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Inline);
        for (var i = 0; i < 100; i++)
        {
            await subject.RunAsync(() =>
            {
                Assert.False(Thread.CurrentThread.IsThreadPoolThread);
                subject.Loop.OnEdge(isWrittenOutside: true);
            });
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_loop_is_lent_and_posted_to_from_many_threads(ApplicationScheduling scheduling)
    {
        const int Threads = 4;
        const int PerThread = 2_000;
        await using var subject = new LoopSubject(scheduling);
        var running = 0;
        var ran = 0;
        var overlaps = 0;
        await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(async () =>
        {
            for (var i = 0; i < PerThread; i++)
            {
                var item = new WorkItem(() =>
                {
                    overlaps += Interlocked.Increment(ref running) == 1 ? 0 : 1;
                    ran++;
                    subject.Loop.OnEdge(isWrittenOutside: ran % 64 != 0);
                    Interlocked.Decrement(ref running);
                });
                subject.Loop.Post(item);
                if (i % (thread + 2) == 0)
                {
                    await item.Ran;
                }
            }
        }))).DefaultTimeout();
        await subject.RunAsync(static () => { });

        Assert.Equal(Threads * PerThread, ran);
        Assert.Equal(0, overlaps);
    }

    [Fact]
    public async Task The_thread_of_a_loop_takes_it_back_from_a_pool_that_does_not_come()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        var items = new ConcurrentQueue<IThreadPoolWorkItem>();
        var loan = new LoopLoan(subject.Loop, new LoanPool(items.Enqueue, static () => long.MaxValue));
        await subject.RunAsync(() => Assert.True(Lend(loan)));
        Assert.False(loan.IsLent);

        // Its item is still in the pool, so it is not lent again.
        await subject.RunAsync(() => Assert.False(Lend(loan)));
        Assert.True(items.TryDequeue(out var late));
        Assert.True(items.IsEmpty);

        // When the pool comes to the item after all, it runs nothing.
        late.Execute();
        Assert.True(items.IsEmpty);
        await Poll.UntilAsync(async () =>
        {
            var lent = false;
            await subject.RunAsync(() => lent = Lend(loan));
            return lent;
        });
        Assert.Single(items);
    }

    [Fact]
    public async Task A_loop_stays_at_home_while_the_pool_has_no_work()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        var loan = new LoopLoan(subject.Loop, new LoanPool(static _ => Assert.Fail("Lent."), static () => 0));
        await subject.RunAsync(() => Assert.False(Lend(loan)));
    }

    [Fact]
    public async Task A_turn_waits_for_a_moment_before_an_idle_pool_gives_the_loop_back()
    {
        var moment = TimeSpan.FromMilliseconds(20);

        // A signal to the thread cuts the wait short, and a turn that comes too late does nothing.
        await Poll.UntilAsync(async () =>
        {
            await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
            using var items = new BlockingCollection<IThreadPoolWorkItem>();
            var work = 1L;
            var loan = new LoopLoan(subject.Loop, new LoanPool(items.Add, () => Volatile.Read(ref work)), moment);
            var lends = subject.RunAsync(() => Lend(loan));
            var turn = Take(items);
            Volatile.Write(ref work, 0);
            var start = Stopwatch.GetTimestamp();
            turn.Execute();
            var time = Stopwatch.GetElapsedTime(start);

            // A wake-up that comes late counts as something to do, and the loop stays lent.
            while (items.TryTake(out var next))
            {
                next.Execute();
            }

            await lends;
            return time >= moment;
        });
    }

    /// <summary>Else work of a lent loop would be late.</summary>
    [Fact]
    public async Task A_post_ends_the_wait_of_a_turn()
    {
        // A turn that comes too late does nothing.
        await Poll.UntilAsync(async () =>
        {
            await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
            using var items = new BlockingCollection<IThreadPoolWorkItem>();
            var work = 1L;
            var looked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var pool = new LoanPool(items.Add, () =>
            {
                if (Volatile.Read(ref work) == 0)
                {
                    looked.TrySetResult();
                }

                return Volatile.Read(ref work);
            });
            var loan = new LoopLoan(subject.Loop, pool, TimeSpan.FromHours(1));
            var lends = subject.RunAsync(() => Lend(loan));
            var turn = Take(items);
            Volatile.Write(ref work, 0);
            var runs = Task.Run(turn.Execute);
            await Task.WhenAny(looked.Task, runs).DefaultTimeout();

            var ranOnPool = false;
            await subject.RunAsync(() => ranOnPool = Thread.CurrentThread.IsThreadPoolThread);

            await runs.DefaultTimeout();
            await lends;
            return ranOnPool;
        });
    }

    /// <summary>The item of one waits in the pool when the other's turn ends.</summary>
    [Fact]
    public async Task Two_lent_loops_do_not_keep_each_other_lent()
    {
        await using var first = new LoopSubject(ApplicationScheduling.Adaptive);
        await using var second = new LoopSubject(ApplicationScheduling.Adaptive);
        using var items = new BlockingCollection<IThreadPoolWorkItem>();
        var work = 10L;
        var pool = new LoanPool(items.Add, () => Volatile.Read(ref work) + items.Count);
        LoopLoan[] loans = [new(first.Loop, pool), new(second.Loop, pool)];
        var lends = Task.WhenAll(first.RunAsync(() => Lend(loans[0])), second.RunAsync(() => Lend(loans[1])));
        IThreadPoolWorkItem[] turns = [Take(items), Take(items)];
        turns[0].Execute();
        turns[1].Execute();

        Volatile.Write(ref work, 0);
        for (var i = 0; i < 8 && items.TryTake(out var turn); i++)
        {
            turn.Execute();
        }

        Assert.Empty(items);
        await lends;
    }

    /// <summary>The pool's threads may all be blocked, and no further event may come.</summary>
    [Fact]
    public async Task Callbacks_that_a_loan_leaves_run_on_the_thread_of_the_loop()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        await Poll.UntilAsync(() => subject.Loop.Callbacks.RunOnLoop);
        var ranOnPool = true;
        var callback = LoopSubject.Callback(() => ranOnPool = Thread.CurrentThread.IsThreadPoolThread);
        var lent = new TaskCompletionSource();
        subject.Loop.Post(new WorkItem(Work));
        await lent.Task.DefaultTimeout();
        await callback.Ran.DefaultTimeout();
        Assert.False(ranOnPool);

        void Work()
        {
            if (Thread.CurrentThread.IsThreadPoolThread)
            {
                subject.Loop.Callbacks.Post(callback);
                subject.Loop.OnEdge(isWrittenOutside: false);
                lent.TrySetResult();
                return;
            }

            subject.Loop.OnEdge(isWrittenOutside: true);
            ThreadPool.QueueUserWorkItem(_ => subject.Loop.Post(new WorkItem(Work)));
        }
    }

    [Fact]
    public async Task A_turn_on_the_pool_runs_what_is_posted_and_goes_behind_other_work()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        using var items = new BlockingCollection<IThreadPoolWorkItem>();
        var loan = new LoopLoan(subject.Loop, new LoanPool(items.Add, static () => long.MaxValue));
        var threads = new List<int>();
        var lends = subject.RunAsync(() => Lend(loan));
        var turn = Take(items);

        // The turn may come too late. Then the work runs at home.
        subject.Loop.Post(new WorkItem(() =>
        {
            threads.Add(Environment.CurrentManagedThreadId);
            subject.Loop.OnEdge(isWrittenOutside: true);
        }));
        turn.Execute();
        var thread = Environment.CurrentManagedThreadId;
        await lends;
        await subject.RunAsync(static () => { });

        Assert.Single(threads);
        Assert.Equal(threads[0] == thread ? 1 : 0, items.Count);
    }

    private static IThreadPoolWorkItem Take(BlockingCollection<IThreadPoolWorkItem> items)
    {
        Assert.True(items.TryTake(out var item, TaskTimeoutExtensions.Default));
        return item;
    }

    private static bool Lend(LoopLoan loan)
    {
        loan.OnEdge(isWrittenOutside: true);
        return loan.TryLend();
    }
}
