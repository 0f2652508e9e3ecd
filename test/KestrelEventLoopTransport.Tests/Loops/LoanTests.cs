using System.Collections.Concurrent;
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
        var pool = new ConcurrentQueue<IThreadPoolWorkItem>();
        var loan = new LoopLoan(subject.Loop, pool.Enqueue, static () => true);
        await subject.RunAsync(() => Assert.True(Lend(loan)));
        Assert.False(loan.IsLent);

        // Its item is still in the pool, so it is not lent again.
        await subject.RunAsync(() => Assert.False(Lend(loan)));
        Assert.True(pool.TryDequeue(out var late));
        Assert.True(pool.IsEmpty);

        // When the pool comes to the item after all, it runs nothing.
        late.Execute();
        Assert.True(pool.IsEmpty);
        await Poll.UntilAsync(async () =>
        {
            var lent = false;
            await subject.RunAsync(() => lent = Lend(loan));
            return lent;
        });
        Assert.Single(pool);
    }

    [Fact]
    public async Task A_loop_stays_at_home_while_the_pool_has_no_work()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        var loan = new LoopLoan(subject.Loop, static _ => Assert.Fail("Lent."), static () => false);
        await subject.RunAsync(() => Assert.False(Lend(loan)));
    }

    [Fact]
    public async Task A_turn_on_the_pool_runs_what_is_posted_and_goes_behind_other_work()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        var pool = new BlockingCollection<IThreadPoolWorkItem>();
        var loan = new LoopLoan(subject.Loop, pool.Add, static () => true);
        var threads = new List<int>();
        var lends = subject.RunAsync(() => Lend(loan));
        var turn = pool.Take();

        // Only the first: the turn may be too late for the second, which then runs at home.
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
        Assert.Equal(threads[0] == thread ? 1 : 0, pool.Count);
    }

    private static bool Lend(LoopLoan loan)
    {
        loan.OnEdge(isWrittenOutside: true);
        return loan.TryLend();
    }
}
