using System.Diagnostics.Metrics;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Adaptive;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace KestrelEventLoopTransport.Tests.Loops;

/// <summary>Threads are there before they are needed, and go when they are not needed any more.</summary>
[Trait("Contract", "loops")]
[FailsOnStock("Loops of ours.")]
public sealed class SpareThreadTests
{
    private static readonly TimeSpan _shortly = TimeSpan.FromMilliseconds(50);

    [Fact]
    public async Task One_thread_is_kept_parked_ahead()
    {
        await using var threads = new Threads(bound: 3, idle: TimeSpan.FromMinutes(1));
        threads.Take();

        for (var i = 0; i < 2; i++)
        {
            await threads.UntilParkedAsync(1);
            threads.Take();
        }

        await threads.UntilParkedAsync(1);
    }

    /// <summary>
    /// Who cannot wait for the spare makes a thread himself: the thread pool may have none to make it.
    /// </summary>
    [Fact]
    public async Task Threads_can_be_taken_faster_than_spares_are_made()
    {
        const int Bound = 50;
        await using var threads = new Threads(Bound, idle: TimeSpan.FromMinutes(1));
        for (var i = 0; i < Bound; i++)
        {
            threads.Take();
        }

        await Poll.UntilAsync(() => threads.Standbys.TryTake() is { } last && threads.Keep(last));
        Assert.Null(threads.Standbys.TryTake());
    }

    /// <summary>Else handlers would be sent to the thread pool for as long as it takes to make a thread.</summary>
    [Fact]
    public async Task A_spare_that_is_being_made_counts()
    {
        for (var i = 0; i < 10; i++)
        {
            await using var threads = new Threads(bound: 1, idle: TimeSpan.FromMinutes(1));
            threads.Take();
            await Poll.UntilAsync(() =>
            {
                Assert.True(threads.Standbys.SufficeForAll);
                return threads.Standbys.Count().Parked == 1;
            });
        }
    }

    [Fact]
    public async Task A_thread_that_is_back_lets_handlers_run_on_loops_again()
    {
        await using var threads = new Threads(bound: 1, idle: TimeSpan.FromMinutes(1));
        threads.Take();
        await threads.UntilParkedAsync(1);
        threads.Take();
        Assert.False(threads.Standbys.SufficeForAll);

        threads.ParkAll();

        Assert.True(threads.Standbys.SufficeForAll);
    }

    /// <summary>Nobody waits for a stuck thread, but for one that was stuck.</summary>
    [Fact]
    public async Task Stop_waits_for_a_thread_that_is_back()
    {
        await using var threads = new Threads(bound: 1, idle: TimeSpan.FromMinutes(1));
        threads.Take();
        threads.Standbys.OnStuck();
        threads.Standbys.Stop();
        await threads.Standbys.Stopped.DefaultTimeout();

        // Where no spare is made.
        await using var others = new Threads(bound: 1, idle: TimeSpan.FromMinutes(1), ApplicationScheduling.Inline);
        others.Take();
        others.Standbys.OnStuck();
        Assert.Equal(1, others.Standbys.Count().Stuck);
        others.ParkAll(wereStuck: true);
        Assert.Equal(0, others.Standbys.Count().Stuck);
        others.Take();
        others.Standbys.Stop();
        Assert.False(others.Standbys.Stopped.IsCompleted);
    }

    /// <summary>
    /// A thread that was taken for a loop whose own has just come back must not be forgotten: the stop waits for it.
    /// </summary>
    [Fact]
    public async Task Callbacks_that_return_just_when_they_are_overdue_lose_no_thread()
    {
        const int Callbacks = 300;
        await using var subject = new LoopSubject(
            ApplicationScheduling.Adaptive,
            static options => options.Adaptive.HandOffThreshold = TimeSpan.FromMicroseconds(100));
        for (var i = 0; i < Callbacks; i++)
        {
            var behind = new WorkItem(static () => { });
            var callback = LoopSubject.Callback(() =>
            {
                subject.Loop.Post(behind);
                WorkItem.Compute(TimeSpan.FromMicroseconds(100 + i));
            });
            subject.Loop.Post(callback);
            await callback.Ran.DefaultTimeout();
            await behind.Ran.DefaultTimeout();
        }
    }

    [Theory]
    [InlineData(ApplicationScheduling.Adaptive, 1)]
    [InlineData(ApplicationScheduling.Inline, 0)]
    public async Task Parked_threads_end_but_for_the_spare(ApplicationScheduling scheduling, int spares)
    {
        await using var threads = new Threads(bound: 20, _shortly, scheduling);
        for (var i = 0; i < 10; i++)
        {
            threads.Take();
        }

        threads.ParkAll();
        await threads.UntilParkedAsync(spares);

        // And may be made again.
        for (var i = 0; i < 20; i++)
        {
            threads.Take();
        }
    }

    /// <summary>A thread may be taken just when it is about to end.</summary>
    [Fact]
    public async Task A_thread_that_was_taken_does_not_end()
    {
        await using var subject = new LoopSubject(
            ApplicationScheduling.Adaptive,
            static options => options.Adaptive.StandbyIdleTime = TimeSpan.FromMilliseconds(1));
        for (var i = 0; i < 50; i++)
        {
            var callback = LoopSubject.Callback(() => Thread.Sleep(5));
            subject.Loop.Post(callback);
            await subject.RunAsync(static () => { });
            await callback.Ran.DefaultTimeout();
            await Task.Delay(i % 4);
        }
    }

    [Fact]
    public async Task A_thread_that_was_interrupted_serves_on()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        using var instruments = new LoopInstruments(subject.Services);
        using var open = new ManualResetEventSlim();
        Thread? thread = null;
        var callback = LoopSubject.Callback(() =>
        {
            thread = Thread.CurrentThread;
            open.Wait();
        });
        subject.Loop.Post(callback);
        await subject.RunAsync(static () => { });
        open.Set();
        await callback.Ran.DefaultTimeout();

        // Not before it is parked: it would also end a wait for a lock.
        await Poll.UntilAsync(() => instruments.StuckThreads == 0 && instruments.ParkedThreads >= 1
            && (thread!.ThreadState & System.Threading.ThreadState.WaitSleepJoin) != 0);
        thread!.Interrupt();

        // The last parked is the first taken.
        for (var i = 0; i < 20; i++)
        {
            callback = LoopSubject.Callback(static () => Thread.Sleep(5));
            subject.Loop.Post(callback);
            await subject.RunAsync(static () => { });
            await callback.Ran.DefaultTimeout();
        }

        Assert.True(thread.IsAlive);
    }

    [Fact]
    public async Task Activities_of_pool_threads_that_are_not_needed_any_more_are_given_up()
    {
        await using var threads = new Threads(bound: 1, idle: TimeSpan.FromMinutes(1));
        var free = new PoolActivities(threads.Supervisor.Activities, idleTime: TimeSpan.FromMilliseconds(1));
        var activities = TakeAndReturn(free, 10);

        await Poll.UntilAsync(() =>
        {
            free.Return(free.Take());
            GC.Collect();
            return activities.Count(static activity => activity.IsAlive) <= 1;
        });
    }

    [Fact]
    public async Task Activities_in_use_are_kept()
    {
        await using var threads = new Threads(bound: 1, idle: TimeSpan.FromMinutes(1));
        var free = new PoolActivities(threads.Supervisor.Activities, idleTime: TimeSpan.FromMinutes(1));
        var activities = TakeAndReturn(free, 10);
        GC.Collect();

        Assert.Equal(10, activities.Count(static activity => activity.IsAlive));
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static List<WeakReference> TakeAndReturn(PoolActivities free, int count)
    {
        var activities = Enumerable.Range(0, count).Select(_ => free.Take()).ToList();
        activities.ForEach(free.Return);
        return activities.ConvertAll(static activity => new WeakReference(activity));
    }

    /// <summary>Standby threads without loops.</summary>
    private sealed class Threads : IAsyncDisposable
    {
        private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        private readonly List<LoopThread> _taken = [];

        public Threads(int bound, TimeSpan idle, ApplicationScheduling scheduling = ApplicationScheduling.Adaptive)
        {
            // Never started: it only has the activities and the threads.
            var options = new EventLoopTransportOptions
            {
                EventLoopCount = 1,
                Scheduling = scheduling,
                Adaptive = { MaxStandbyThreads = bound, StandbyIdleTime = idle },
            };
            var metrics = new LoopMetrics(_services.GetRequiredService<IMeterFactory>());
            Supervisor = new Supervisor(options, metrics, new HandOffLog(NullLogger.Instance));
        }

        public Supervisor Supervisor { get; }

        public StandbyThreads Standbys => Supervisor.Standbys;

        public void Take()
        {
            var thread = Standbys.TryTake();
            Assert.NotNull(thread);
            Keep(thread);
        }

        public bool Keep(LoopThread thread)
        {
            _taken.Add(thread);
            return true;
        }

        public void ParkAll(bool wereStuck = false)
        {
            Assert.All(_taken, thread => Assert.True(Standbys.TryPark(thread, wereStuck)));
            _taken.Clear();
        }

        public Task UntilParkedAsync(int count)
            => Poll.UntilAsync(() => Standbys.Count().Parked == count, () => $"{Standbys.Count().Parked} are parked.");

        public async ValueTask DisposeAsync()
        {
            Standbys.Stop();
            _taken.ForEach(static thread => thread.End());
            await Standbys.Stopped.DefaultTimeout();
            await _services.DisposeAsync();
        }
    }
}
