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

    /// <summary>A timer of the system keeps the locals of the thread that makes it.</summary>
    [Fact]
    public void The_clock_does_not_keep_the_locals_of_the_first_connection()
    {
        var clock = new CallingTime(_time, static () => { });
        var timers = new FrameTimers(clock);
        timers.AddAfter(new Noted(this), TimeSpan.FromSeconds(1));
        Assert.Equal(1, clock.Timers);
        Assert.False(clock.KeepsLocals);
        Assert.False(ExecutionContext.IsFlowSuppressed());
    }

    /// <summary>It calls on the thread that sets it.</summary>
    [Fact]
    public void A_clock_may_call_back_while_it_is_set()
    {
        var clock = new CallingTime(_time, static () => { }) { CallsAtOnce = true };
        var timers = new FrameTimers(clock);
        for (var i = 0; i < 3; i++)
        {
            Add(timers, new Noted(this), _time.GetTimestamp());
            Assert.Equal(i + 1, _looks.Count);
        }
    }

    /// <summary>It may have locks of its own, in which the application may use a connection.</summary>
    [Fact]
    public void No_thread_waits_for_one_that_sets_the_clock()
    {
        FrameTimers timers = null!;
        var clock = new CallingTime(_time, static () => { });
        clock.OnSet = () =>
        {
            var other = new Thread(() => Add(timers, new Noted(this), _time.GetTimestamp() + 1));
            clock.OnSet = null;
            other.Start();
            Assert.True(other.Join(TaskTimeoutExtensions.Default));
        };
        timers = new FrameTimers(clock);
        timers.AddAfter(new Noted(this), TimeSpan.FromSeconds(1));
        Assert.Null(clock.OnSet);

        // The other one is earlier, and the thread that has set the clock sets it again.
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Single(_looks);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(2, _looks.Count);
    }

    private void Add(FrameTimers timers, FrameTimer timer, long due)
    {
        var now = _time.GetTimestamp();
        using (timers.Enter())
        {
            timers.SetEarlier(timer, due, now);
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

    /// <summary>A clock that tells when it calls and when it is set.</summary>
    private sealed class CallingTime(ManualTime time, Action onCall) : TimeProvider
    {
        public int Timers { get; private set; }

        /// <summary>Whether a timer of the system would keep the locals of the thread that has made one.</summary>
        public bool KeepsLocals { get; private set; }

        public bool Fails { get; set; }

        public long Frequency { get; init; } = time.TimestampFrequency;

        /// <summary>Whether a timer without a delay calls on the thread that sets it.</summary>
        public bool CallsAtOnce { get; init; }

        public Action? OnSet { get; set; }

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
            KeepsLocals |= !ExecutionContext.IsFlowSuppressed();
            var timer = time.CreateTimer(_ => Call(), null, dueTime, period);
            return new CallingTimer(this, timer, Call);

            void Call()
            {
                onCall();
                callback(state);
            }
        }

        private sealed class CallingTimer(CallingTime time, ITimer timer, Action call) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                time.OnSet?.Invoke();
                if (dueTime == TimeSpan.Zero && time.CallsAtOnce)
                {
                    call();
                    return true;
                }

                return timer.Change(dueTime, period);
            }

            public void Dispose() => timer.Dispose();

            public ValueTask DisposeAsync() => timer.DisposeAsync();
        }
    }
}
