using KestrelEventLoopTransport.Loops.Adaptive;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>The supervisor's clock on systems without timerfd(2). It works on every system.</summary>
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock has no supervisor.")]
public sealed class MonitorClockTests : IDisposable
{
    private static readonly TimeSpan _long = TimeSpan.FromDays(1);
    private static readonly TimeSpan _patience = TaskTimeoutExtensions.Default;

    private readonly MonitorClock _clock = new();

    public void Dispose() => _clock.Dispose();

    [Fact]
    public void Loops_do_not_look_in_the_place_of_a_supervisor_that_each_of_them_would_wake()
    {
        Assert.False(_clock.IsMovable);
        Assert.NotEqual(0, _clock.QuietLooks);
    }

    [Fact]
    public void Setting_it_ends_a_wait_at_once_whatever_the_delay()
    {
        var waiter = StartWait();
        Assert.True(Sleeps(waiter));

        _clock.Set(_long);
        Assert.True(waiter.Join(_patience));
    }

    [Fact]
    public void What_is_set_before_ends_the_next_wait_and_no_other()
    {
        _clock.Set(_long);
        _clock.Set(_long);
        _clock.Wait();

        var waiter = StartWait();
        Assert.True(Sleeps(waiter));
        _clock.Set(_long);
        Assert.True(waiter.Join(_patience));
    }

    [Fact]
    public void What_is_cleared_ends_no_wait()
    {
        _clock.Set(_long);
        _clock.Clear();

        var waiter = StartWait();
        Assert.True(Sleeps(waiter));
        _clock.Set(_long);
        Assert.True(waiter.Join(_patience));
    }

    [Fact]
    public void It_may_be_set_after_it_was_disposed()
    {
        _clock.Dispose();
        _clock.Set(_long);
    }

    [Fact]
    public void Threads_that_set_it_in_a_row_wake_the_supervisor_each_time()
    {
        const int Rounds = 10_000;
        var served = 0;
        var supervisor = new Thread(() =>
        {
            for (; served < Rounds; Interlocked.Increment(ref served))
            {
                _clock.Wait();
            }
        })
        {
            IsBackground = true,
        };
        supervisor.Start();
        for (var round = 0; round < Rounds; round++)
        {
            _clock.Set(_long);
            Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref served) > round, _patience));
        }

        Assert.True(supervisor.Join(_patience));
    }

    private Thread StartWait()
    {
        var thread = new Thread(_clock.Wait) { IsBackground = true };
        thread.Start();
        return thread;
    }

    /// <summary>Waits until the thread sleeps in its wait, or has ended it. True for the first.</summary>
    private static bool Sleeps(Thread waiter)
    {
        const System.Threading.ThreadState Asleep = System.Threading.ThreadState.WaitSleepJoin;
        Assert.True(
            SpinWait.SpinUntil(() => !waiter.IsAlive || waiter.ThreadState.HasFlag(Asleep), _patience));
        return waiter.IsAlive;
    }
}
