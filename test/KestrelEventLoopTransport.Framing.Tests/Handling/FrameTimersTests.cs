using KestrelEventLoopTransport.Framing.Connections;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>One timer of the clock serves all connections of a loop, and does not keep the loop for long.</summary>
public sealed class FrameTimersTests
{
    private const int Count = 5 * FrameTimers.MaxPerPass / 2;

    private readonly ManualTime _time = new();
    private readonly List<long> _looks = [];

    [Fact]
    public void Each_timer_is_looked_at_at_its_time_and_not_before()
    {
        var timers = new FrameTimers(_time);
        var times = new[] { 1, 2, 63, 64, 65, 1000, 4095, 4096, 4097, 300_000, 10_000_000 };
        var start = _time.GetTimestamp();
        foreach (var milliseconds in times)
        {
            Add(timers, new Noted(this), start + (milliseconds * TimeSpan.TicksPerMillisecond));
        }

        _time.Advance(TimeSpan.FromDays(1));
        Assert.Equal(times.Select(static time => (long)time), _looks.Select(InMilliseconds));

        long InMilliseconds(long timestamp) => (timestamp - start) / TimeSpan.TicksPerMillisecond;
    }

    /// <summary>The clock counts whole milliseconds; nothing is rounded down.</summary>
    [Fact]
    public void A_time_between_two_milliseconds_is_rounded_up()
    {
        var timers = new FrameTimers(_time);
        Add(timers, new Noted(this), _time.GetTimestamp() + 1);
        _time.Advance(TimeSpan.FromTicks(TimeSpan.TicksPerMillisecond - 1));
        Assert.Empty(_looks);
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.Single(_looks);
    }

    [Fact]
    public void A_pass_is_bounded_and_the_clock_calls_again_for_the_rest()
    {
        var before = new List<int>();
        var clock = new CallingTime(_time, () => before.Add(_looks.Count));
        var timers = new FrameTimers(clock);
        var due = _time.GetTimestamp() + TimeSpan.TicksPerSecond;
        for (var i = 0; i < Count; i++)
        {
            Add(timers, new Noted(this), due);
        }

        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(Count, _looks.Count);
        before.Add(Count);
        Assert.All(
            before.Zip(before.Skip(1)),
            static call => Assert.InRange(call.Second - call.First, 0, FrameTimers.MaxPerPass));
        Assert.Equal(1, clock.Timers);
    }

    [Fact]
    public void What_was_removed_is_not_looked_at_and_what_moved_is_once()
    {
        var timers = new FrameTimers(_time);
        var second = _time.GetTimestamp() + TimeSpan.TicksPerSecond;
        var removed = new Noted(this);
        var moved = new Noted(this);
        Add(timers, removed, second);
        Add(timers, moved, 2 * second);
        Add(timers, moved, second);
        Add(timers, moved, 3 * second);
        using (timers.Enter())
        {
            timers.Remove(removed);
            timers.Remove(removed);
        }

        _time.Advance(TimeSpan.FromDays(10));
        Assert.Equal([second], _looks);
        Assert.Equal(FrameTimer.Never, moved.Due);
    }

    /// <summary>The next change sets the clock again.</summary>
    [Fact]
    public void A_clock_that_failed_once_is_set_again()
    {
        var clock = new CallingTime(_time, static () => { }) { Fails = true };
        var timers = new FrameTimers(clock);
        var due = _time.GetTimestamp() + TimeSpan.TicksPerSecond;
        Assert.Throws<InvalidOperationException>(() => Add(timers, new Noted(this), due));
        clock.Fails = false;
        Add(timers, new Noted(this), due + 1);
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(2, _looks.Count);
    }

    /// <summary>Not every clock counts whole numbers of times in a millisecond.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(60)]
    [InlineData(999)]
    [InlineData(32_768)]
    [InlineData(3_579_545)]
    [InlineData(1_000_000_000)]
    public void A_time_is_right_on_a_clock_of_any_frequency(long frequency)
    {
        var clock = new CallingTime(_time, static () => { }) { Frequency = frequency };
        var timers = new FrameTimers(clock);
        Assert.Equal(49 * 24 * 3600 * frequency, timers.ToTimestamp(TimeSpan.FromDays(49)));
        Assert.InRange(timers.ToTimestamp(TimeSpan.FromTicks(1)), 1, 100);

        var day = TimeSpan.FromDays(1);
        timers.AddAfter(new Noted(this), day);
        _time.Advance(day - TimeSpan.FromMilliseconds(1));
        Assert.Empty(_looks);

        // The clock may have to go on to its next count.
        _time.Advance(TimeSpan.FromMilliseconds(2) + TimeSpan.FromSeconds(1.0 / frequency));
        Assert.Single(_looks);
    }

    private static void Add(FrameTimers timers, FrameTimer timer, long due)
    {
        using (timers.Enter())
        {
            timers.SetEarlier(timer, due);
        }
    }

    private sealed class Noted(FrameTimersTests test) : FrameTimer
    {
        internal override long Look(long now, out bool acts)
        {
            acts = false;
            test._looks.Add(now);
            return Never;
        }

        protected override void Act()
        {
        }
    }

    /// <summary>A clock that tells when it calls.</summary>
    private sealed class CallingTime(ManualTime time, Action onCall) : TimeProvider
    {
        public int Timers { get; private set; }

        public bool Fails { get; set; }

        public long Frequency { get; init; } = time.TimestampFrequency;

        public override long TimestampFrequency => Frequency;

        public override long GetTimestamp()
            => (long)((Int128)time.GetTimestamp() * Frequency / time.TimestampFrequency);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (Fails)
            {
                throw new InvalidOperationException("The test's clock fails.");
            }

            Timers++;
            return time.CreateTimer(
                given =>
                {
                    onCall();
                    callback(given);
                },
                state,
                dueTime,
                period);
        }
    }
}
