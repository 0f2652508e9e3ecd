using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Tests.Loops;

namespace KestrelEventLoopTransport.Tests.Timers;

/// <summary>Timers of a loop that runs.</summary>
[FailsOnStock("Loops of ours.")]
public sealed class LoopTimerTests
{
    private const long Far = 60L * 24 * 60 * 60 * 1000;

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_timer_fires_once_and_not_before_its_time(ApplicationScheduling scheduling)
    {
        await using var subject = new LoopSubject(scheduling);
        var alarms = new List<(Alarm Alarm, long Due)>();
        for (var delay = 0; delay < 150; delay += 7)
        {
            var due = LoopClock.After(delay);
            var alarm = new Alarm(subject.Loop);
            alarm.Set(due);
            alarms.Add((alarm, due));
        }

        await Task.WhenAll(alarms.Select(static item => item.Alarm.Fired)).DefaultTimeout();
        await subject.RunAsync(static () => { });

        Assert.All(alarms, static item => Assert.True(item.Alarm.FiredAt >= item.Due && item.Alarm.Count == 1));
        Assert.All(alarms, static item => Assert.Equal(LoopTimer.Never, item.Alarm.Due));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_timer_that_is_moved_to_an_earlier_time_fires_then(bool byLoop)
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        var alarm = new Alarm(subject.Loop);
        alarm.Set(LoopClock.After(Far));
        await subject.RunAsync(static () => { });

        await ActAsync(subject, byLoop, () => alarm.Set(LoopClock.After(5)));

        await alarm.Fired.DefaultTimeout();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_timer_that_is_moved_to_a_later_time_fires_then(bool byLoop)
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        var alarm = new Alarm(subject.Loop);
        alarm.Set(LoopClock.After(20));
        var due = LoopClock.After(60);

        // Before its first time, or after it: in both cases it fires once more at the latest.
        await ActAsync(subject, byLoop, () => alarm.Set(due));
        await Poll.UntilAsync(() => alarm.FiredAt >= due);

        Assert.InRange(alarm.Count, 1, 2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_timer_that_is_cancelled_does_not_fire_and_leaves_the_wheel(bool byLoop)
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        var count = 0;
        var alarms = Enumerable.Range(0, 500).Select(_ => new Alarm(subject.Loop, _ => ++count)).ToList();
        alarms.ForEach(static alarm => alarm.Set(LoopClock.After(Far)));
        await subject.RunAsync(() => Assert.NotEqual(TimerWheel.Never, subject.Loop.Timers.Next));

        await ActAsync(subject, byLoop, () => alarms.ForEach(static alarm => alarm.Cancel()));

        await subject.RunAsync(() => Assert.Equal(TimerWheel.Never, subject.Loop.Timers.Next));
        Assert.Equal(0, count);
        Assert.All(alarms, static alarm => Assert.False(alarm.IsLinked));
    }

    /// <summary>A cancelled timer is not kept alive, though its time is far away (netty#5647).</summary>
    [Fact]
    public async Task A_timer_that_is_cancelled_is_not_kept_alive()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.ThreadPool);
        var alarm = SetAndCancel(subject.Loop);

        // The loop has taken the work before this one out of its queue, and some more to overwrite the places there.
        await Poll.UntilAsync(() =>
        {
            subject.Loop.Post(new WorkItem(static () => { }));
            GC.Collect();
            return !alarm.IsAlive;
        });
    }

    [Fact]
    public async Task A_timer_may_be_cancelled_while_it_fires()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.ThreadPool);
        Alarm? alarm = null;
        alarm = new Alarm(subject.Loop, now =>
        {
            alarm!.Cancel();
            return now + 1;
        });
        alarm.Set(0);

        await alarm.Fired.DefaultTimeout();
        await subject.RunAsync(() => Assert.Equal(TimerWheel.Never, subject.Loop.Timers.Next));
        Assert.Equal(1, alarm.Count);
    }

    /// <summary>Nor does it keep the loop from its other work (netty#1246).</summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_timer_that_is_always_due_fires_once_in_a_millisecond(ApplicationScheduling scheduling)
    {
        await using var subject = new LoopSubject(scheduling);
        var begin = LoopClock.Now;
        var alarm = new Alarm(subject.Loop, static _ => 0);
        alarm.Set(0);

        await Poll.UntilAsync(() => alarm.Count > 20);
        await subject.RunAsync(static () => { });

        Assert.InRange(alarm.Count, 20, LoopClock.Now - begin + 1);
        alarm.Cancel();
    }

    [Fact]
    public async Task Work_runs_between_many_timers_that_are_due()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.ThreadPool);
        var fired = 0;
        var firedBefore = 0;
        var alarms = Enumerable.Range(0, 10_000).Select(_ => new Alarm(subject.Loop, _ =>
        {
            fired++;
            return LoopTimer.Never;
        })).ToList();
        var work = new WorkItem(() => firedBefore = fired);

        await subject.RunAsync(() =>
        {
            alarms.ForEach(static alarm => alarm.Set(0));
            subject.Loop.Post(work);
        });

        await Task.WhenAll(alarms.Select(static alarm => alarm.Fired)).DefaultTimeout();
        Assert.InRange(firedBefore, 0, 1000);
    }

    [Fact]
    public async Task A_loop_without_timers_does_not_wake_up()
    {
        using var subject = new CountedLoop();
        var alarm = new Alarm(subject.Loop);
        alarm.Set(LoopClock.After(5));
        await alarm.Fired.DefaultTimeout();
        await Poll.UntilAsync(() => subject.Loop.NextTimerDelay == -1);
        var turns = subject.Turns;

        await Task.Delay(50);

        // The turn in which it fired, and one for a wake-up that was on its way.
        Assert.InRange(subject.Turns - turns, 0, 2);
    }

    /// <summary>The slots of the wheel that begin meanwhile wake nothing.</summary>
    [Fact]
    public async Task A_loop_sleeps_until_its_first_timer_is_due()
    {
        using var subject = new CountedLoop();
        const int Times = 10;
        const int Delay = 100;
        var left = Times;
        var fired = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var alarm = new Alarm(subject.Loop, now =>
        {
            if (--left > 0)
            {
                return now + Delay;
            }

            fired.SetResult();
            return LoopTimer.Never;
        });
        var turns = subject.Turns;
        alarm.Set(LoopClock.After(Delay));
        await Poll.UntilAsync(() => subject.Loop.Timers.NextDue == alarm.Due || alarm.Count > 0);

        await fired.Task.DefaultTimeout();

        // A turn for each time, one in which the timer was posted, and a few that something else causes.
        Assert.InRange(subject.Turns - turns, Times, Times + (Times / 2));
    }

    /// <summary>An extension costs no wake-up: the loop looks once, when the old time has come.</summary>
    [Fact]
    public async Task A_timer_that_is_extended_again_and_again_is_filed_once()
    {
        await using var subject = new LoopSubject(ApplicationScheduling.ThreadPool);
        var alarm = new Alarm(subject.Loop);
        alarm.Set(LoopClock.After(Far));
        await subject.RunAsync(static () => { });

        bool? waits = null;
        while (waits is null)
        {
            await subject.RunAsync(() =>
            {
                // If the wake-up for this work is still on its way, it would count.
                if (!subject.Loop.HasWaiting)
                {
                    Extend(alarm, times: 1000);
                    waits = subject.Loop.HasWaiting;
                }
            });
        }

        Assert.False(waits);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Timers_of_a_loop_with_a_stuck_handler_fire(bool setByHandler)
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        using var open = new ManualResetEventSlim();
        var alarms = Enumerable.Range(0, 1000).Select(_ => new Alarm(subject.Loop)).ToList();
        void SetAll() => alarms.ForEach(static alarm => alarm.Set(LoopClock.After(Random.Shared.Next(30))));
        if (!setByHandler)
        {
            SetAll();
        }

        var handler = LoopSubject.Callback(() =>
        {
            if (setByHandler)
            {
                SetAll();
            }

            open.Wait();
            SetAll();
        });
        subject.Loop.Post(handler);

        await Task.WhenAll(alarms.Select(static alarm => alarm.Fired)).DefaultTimeout();
        open.Set();
        await handler.Ran.DefaultTimeout();
        await Poll.UntilAsync(() => alarms.TrueForAll(static alarm => alarm.Count > 1 && alarm.Due == LoopTimer.Never));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_loop_that_has_ended_drops_its_timers(ApplicationScheduling scheduling)
    {
        await using var subject = new LoopSubject(scheduling);
        var loop = subject.Loop;
        var alarms = Enumerable.Range(0, 100).Select(_ => new Alarm(loop)).ToList();
        alarms.ForEach(static alarm => alarm.Set(LoopClock.After(Far)));
        await subject.RunAsync(static () => { });

        await subject.StopAsync().DefaultTimeout();
        alarms.Add(new Alarm(loop));
        alarms.ForEach(static alarm => alarm.Set(0));

        Assert.Equal(TimerWheel.Never, loop.Timers.Next);
        Assert.All(alarms, static alarm => Assert.True(alarm is { IsLinked: false, Next: null, Count: 0 }));
    }

    /// <summary>In the end each timer has fired, or was cancelled last.</summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Timers_that_many_threads_set_and_cancel_are_right_in_the_end(ApplicationScheduling scheduling)
    {
        await using var subject = new LoopSubject(scheduling);
        var alarms = Enumerable.Range(0, 20).Select(_ => new Alarm(subject.Loop)).ToArray();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(async () =>
        {
            for (var i = 0; i < 5000; i++)
            {
                var alarm = alarms[Random.Shared.Next(alarms.Length)];
                if (i % 500 == 0)
                {
                    await subject.RunAsync(() => Act(alarm, Random.Shared.Next(4)));
                }

                Act(alarm, Random.Shared.Next(4));
            }
        }))).DefaultTimeout();
        var counts = alarms.Select(static alarm => alarm.Count).ToArray();
        var due = LoopClock.After(5);

        Array.ForEach(alarms, alarm => alarm.Set(due));

        await Poll.UntilAsync(() => alarms.All(static alarm => alarm.Due == LoopTimer.Never));
        await subject.RunAsync(() => Assert.Equal(TimerWheel.Never, subject.Loop.Timers.Next));
        Assert.All(alarms, alarm => Assert.InRange(alarm.FiredAt, due, long.MaxValue));
    }

    private static void Extend(Alarm alarm, int times)
    {
        // As another thread would: a thread of the loop would file it and post nothing.
        Task.Run(() =>
        {
            for (var i = 0; i < times; i++)
            {
                alarm.Set(LoopClock.After(Far + i));
            }
        }).Wait();
    }

    private static void Act(Alarm alarm, int action)
    {
        switch (action)
        {
            case 0:
                alarm.Cancel();
                break;
            case 1:
                alarm.Set(LoopTimer.Never);
                break;
            default:
                alarm.Set(LoopClock.After(Random.Shared.NextInt64(1L << Random.Shared.Next(20))));
                break;
        }
    }

    private static async Task ActAsync(LoopSubject subject, bool byLoop, Action act)
    {
        if (byLoop)
        {
            await subject.RunAsync(act);
        }
        else
        {
            act();
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference SetAndCancel(EventLoop loop)
    {
        var alarm = new Alarm(loop);
        alarm.Set(LoopClock.After(Far));

        // The loop has filed it before it comes to this.
        var behind = new WorkItem(static () => { });
        loop.Post(behind);
        behind.Wait();
        alarm.Cancel();
        return new WeakReference(alarm);
    }
}
