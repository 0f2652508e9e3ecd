using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Tests.Timers;

/// <summary>A wheel with a clock of the test's own.</summary>
[FailsOnStock("An internal class of ours.")]
public sealed class TimerWheelTests
{
    private const long Day = 24L * 60 * 60 * 1000;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(4095)]
    [InlineData(4096)]
    [InlineData(262_143)]
    [InlineData(50 * Day)]
    [InlineData(400 * Day)]
    [InlineData(50_000 * Day)]
    public void A_timer_comes_at_its_time_and_not_before(long delay)
    {
        foreach (var start in new[] { 0L, 1, 63, 4095, 123_456_789, 60 * Day })
        {
            var subject = new Wheel(start);
            var timer = subject.Add(start + delay);

            Assert.Equal(delay == 0, subject.RunTo(start + delay - 1));
            Assert.True(subject.RunTo(start + delay));
            Assert.Equal(start + delay, timer.FiredAt);
        }
    }

    [Fact]
    public void A_timer_beyond_the_last_level_waits()
    {
        var subject = new Wheel(Day);
        subject.Add(long.MaxValue - 2);

        Assert.False(subject.RunTo(50_000 * Day));
        Assert.InRange(subject.Looks, 0, 64);
    }

    /// <summary>One look for each level at most, if something else wakes the loop all the time.</summary>
    [Fact]
    public void A_timer_far_away_takes_a_look_per_level_and_no_more()
    {
        var subject = new Wheel(12_345);
        var timer = subject.Add(12_345 + (50 * Day));

        while (timer.FiredAt is null)
        {
            subject.Advance(subject.Next);
            subject.RunDue();
        }

        Assert.InRange(subject.Looks, 2, 7);
    }

    [Fact]
    public void The_first_timers_far_away_take_one_wake_up_when_they_are_due()
    {
        var subject = new Wheel(12_345);
        var timers = Enumerable.Range(0, 16).Select(i => subject.Add(12_345 + (50 * Day) + i)).ToList();

        Assert.Equal(timers[0].Due, subject.NextDue);
        subject.RunAll();

        Assert.All(timers, static timer => Assert.Equal(timer.Due, timer.FiredAt));
        Assert.Equal(timers.Count, subject.Wakes);
    }

    /// <summary>So is one that another thread has moved: it is posted, and is filed anew when the loop runs.</summary>
    [Fact]
    public void A_node_without_a_time_of_its_own_ends_the_sleep_when_its_slot_begins()
    {
        var wheel = new TimerWheel();

        var begin = wheel.Add(new Untimed(), 100 * Day, now: 0);

        Assert.InRange(begin, 1, (100 * Day) - 1);
        Assert.Equal(begin, wheel.FindNextDue());
        Assert.Equal(begin, wheel.NextDue);
    }

    /// <summary>To look for the first one does not take longer when there are thousands.</summary>
    [Fact]
    public void Many_timers_far_away_take_a_wake_up_when_their_slot_begins()
    {
        var subject = new Wheel(0);
        var timers = Enumerable.Range(0, 17).Select(i => subject.Add(100 * Day)).ToList();

        Assert.InRange(subject.NextDue, 1, (100 * Day) - 1);
        subject.RunAll();

        Assert.All(timers, static timer => Assert.Equal(100 * Day, timer.FiredAt));
    }

    [Fact]
    public void A_timer_in_the_past_comes_at_once()
    {
        var subject = new Wheel(1000);
        subject.Add(5000);
        subject.RunTo(3000);
        var timer = subject.Add(10);

        Assert.InRange(subject.Next, 0, 3000);
        subject.RunTo(3000);

        Assert.Equal(3000, timer.FiredAt);
    }

    /// <summary>A wheel that was empty for long does not go through the time that has passed (netty#1959).</summary>
    [Fact]
    public void A_wheel_that_was_empty_starts_at_the_time_now()
    {
        var subject = new Wheel(0);
        subject.Advance(100 * Day);
        var timer = subject.Add((100 * Day) + 10);

        subject.RunAll();

        Assert.Equal((100 * Day) + 10, timer.FiredAt);
        Assert.InRange(subject.Looks, 1, 2);
    }

    /// <summary>A clock that jumps over many slots loses none of their timers (netty#2651).</summary>
    [Fact]
    public void A_clock_that_jumps_brings_all_that_is_due()
    {
        var subject = new Wheel(77);
        var timers = Enumerable.Range(0, 10_000).Select(i => subject.Add(77 + (i * 37L))).ToList();
        var late = subject.Add(1_000_000);

        subject.Advance(900_000);
        subject.RunDue();

        Assert.All(timers, static timer => Assert.Equal(900_000, timer.FiredAt));
        Assert.Null(late.FiredAt);
    }

    /// <summary>Cancelled timers leave nothing behind (netty#5647, netty#14959).</summary>
    [Fact]
    public void A_wheel_whose_timers_are_removed_is_empty_and_does_not_keep_them_alive()
    {
        var subject = new Wheel(0);
        var timers = AddAndRemove(subject);

        Assert.Equal(TimerWheel.Never, subject.Next);
        GC.Collect();
        Assert.DoesNotContain(timers, static timer => timer.IsAlive);
    }

    [Fact]
    public void A_timer_that_has_come_has_no_links()
    {
        var subject = new Wheel(0);
        var timers = Enumerable.Range(0, 100).Select(i => subject.Add(5 + (i % 3))).ToList();

        subject.RunAll();

        Assert.All(timers, static timer => Assert.True(timer is { Next: null, Previous: null, IsLinked: false }));
        Assert.Equal(TimerWheel.Never, subject.Next);
    }

    /// <summary>A timer whose time has come does not wait for all that share a wide slot with it.</summary>
    [Fact]
    public void A_timer_that_is_due_goes_before_the_rest_of_its_wide_slot()
    {
        const long Begin = 64;
        var subject = new TimerWheel();
        for (var i = 0; i < 1000; i++)
        {
            subject.Add(new Wheel.Timer(Begin + 50), Begin + 50, now: 0);
        }

        var first = new Wheel.Timer(Begin);
        subject.Add(first, Begin, now: 0);
        var takes = 0;
        var isDue = false;
        while (!isDue && subject.TryTake(Begin, out var node))
        {
            isDue = node == first && takes > 0;
            takes++;
            if (!isDue)
            {
                subject.Add(node, ((Wheel.Timer)node).Due, Begin);
            }
        }

        Assert.True(isDue);
        Assert.InRange(takes, 2, 100);
        Assert.Equal(Begin, subject.Next);
    }

    [Fact]
    public void A_delay_that_reaches_beyond_all_times_is_never()
    {
        Assert.Equal(TimerDue.Never, LoopClock.After(long.MaxValue));
        Assert.Equal(TimerDue.Never, LoopClock.After(TimerDue.Firing - LoopClock.Now));
        Assert.InRange(LoopClock.After(TimerDue.Firing / 2), TimerDue.Firing / 2, TimerDue.Firing - 1);
        Assert.Equal(TimerDue.Never, TimerDue.EndFire(TimerDue.Firing, TimerDue.Firing));
    }

    /// <summary>The same as a sorted list, with random operations.</summary>
    [Fact]
    public void A_wheel_gives_what_a_sorted_list_gives()
    {
        var seed = Random.Shared.Next();
        for (var round = 0; round < 200; round++)
        {
            var random = new Random(seed + round);
            var subject = new Wheel(random.NextInt64(60 * Day));
            for (var step = 0; step < 300; step++)
            {
                subject.Do(random);
                Assert.True(subject.IsRight, $"Seed {seed}, round {round}, step {step}.");
            }

            subject.RunAll();
            Assert.True(subject is { IsRight: true, Next: TimerWheel.Never }, $"Seed {seed}, round {round}, end.");
        }
    }

    private static List<WeakReference> AddAndRemove(Wheel subject)
    {
        var timers = Enumerable.Range(0, 1000).Select(i => subject.Add(i * i * 1000L)).ToList();
        timers.ForEach(subject.Remove);
        return timers.ConvertAll(static timer => new WeakReference(timer));
    }

    private sealed class Untimed : TimerNode
    {
    }
}
