using KestrelEventLoopTransport.Loops.Adaptive;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>How long the supervisor sleeps, by how often handlers block.</summary>
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock has no supervisor.")]
public sealed class SupervisorPaceTests
{
    private static readonly TimeSpan _millisecond = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan _cost = TimeSpan.FromMicroseconds(5);
    private readonly Clock _clock = new();

    [Fact]
    public void It_is_the_threshold_while_nothing_blocks_or_something_does_now_and_then()
    {
        var pace = new SupervisorPace(_millisecond, _cost, _clock);
        Assert.Equal(_millisecond, pace.Tick);
        for (var i = 0; i < 100; i++)
        {
            Block(pace, TimeSpan.FromMilliseconds(i == 50 ? 500 : 150));
            Assert.Equal(_millisecond, pace.Tick);
        }
    }

    /// <summary>The root of 5 µs times what lies between by 1.5.</summary>
    [Theory]
    [InlineData(50, 408)]
    [InlineData(12, 200)]
    [InlineData(2, 82)]
    [InlineData(1, 62.5)]
    public void The_more_often_handlers_block_the_shorter_it_is(double milliseconds, double expected)
    {
        var pace = new SupervisorPace(_millisecond, _cost, _clock);
        for (var i = 0; i < 200; i++)
        {
            Block(pace, TimeSpan.FromMilliseconds(milliseconds));
        }

        Assert.Equal(expected, pace.Tick.TotalMicroseconds, tolerance: 5);

        _clock.Advance(TimeSpan.FromMilliseconds(100));
        pace.Advance();
        Assert.Equal(_millisecond, pace.Tick);
    }

    [Theory]
    [InlineData(100, 50)]
    [InlineData(1000, 62.5)]
    [InlineData(20_000, 1250)]
    [InlineData(1_000_000, 62_500)]
    public void It_is_never_less_than_a_sixteenth_of_the_threshold(double threshold, double shortest)
    {
        var pace = new SupervisorPace(TimeSpan.FromMicroseconds(threshold), _cost, _clock);
        for (var i = 0; i < 1000; i++)
        {
            Block(pace, i % 2 == 0 ? TimeSpan.Zero : TimeSpan.FromMicroseconds(100));
            Assert.InRange(pace.Tick.TotalMicroseconds, shortest, threshold);
        }

        Assert.Equal(shortest, pace.Tick.TotalMicroseconds);
    }

    [Fact]
    public void A_hasty_tick_is_no_threshold_but_many_are()
    {
        var pace = new SupervisorPace(TimeSpan.FromSeconds(1), _cost, _clock);
        for (var i = 0; i < 100; i++)
        {
            Block(pace, TimeSpan.Zero);
        }

        var thresholds = 0;
        for (var i = 0; i < 160; i++)
        {
            _clock.Advance(pace.Tick);
            pace.Advance();
            thresholds += pace.IsThreshold ? 1 : 0;
            pace.OnBlocked();
        }

        // Collections of garbage are subtracted, and there may be some meanwhile.
        Assert.InRange(thresholds, 8, 10);
    }

    /// <summary>With two milliseconds more, waking and handing off included, a loop is handed off in time.</summary>
    [Theory]
    [InlineData(0.1)]
    [InlineData(1)]
    [InlineData(1000)]
    public void A_rest_is_less_than_two_milliseconds_longer_than_the_threshold(double milliseconds)
    {
        var threshold = TimeSpan.FromMilliseconds(milliseconds);
        var pace = new SupervisorPace(threshold, _cost, _clock);
        Assert.InRange((pace.Rest - threshold).TotalMilliseconds, 1.5, 1.7);
    }

    [Fact]
    public void A_rest_is_a_tick_while_handlers_block_often()
    {
        var pace = new SupervisorPace(_millisecond, _cost, _clock);
        Assert.False(pace.IsHasty);
        for (var i = 0; i < 200; i++)
        {
            Block(pace, TimeSpan.FromMilliseconds(12));
        }

        Assert.True(pace.IsHasty);
        Assert.Equal(pace.Tick, pace.Rest);
    }

    /// <summary>It is what it was at the last look, and not more than the supervisor may have slept.</summary>
    [Theory]
    [InlineData(0.9, 0)]
    [InlineData(1.1, 1.1)]
    [InlineData(2.6, 2.6)]
    [InlineData(1000, 5.3)]
    public void The_age_of_a_callback_counts_from_a_tick_on(double milliseconds, double expected)
    {
        TimeSpan age, paused;
        do
        {
            // Collections of garbage are subtracted, so there must be none meanwhile.
            paused = GC.GetTotalPauseDuration();
            var pace = new SupervisorPace(_millisecond, _cost, _clock);
            var began = _clock.GetTimestamp();
            _clock.Advance(TimeSpan.FromMilliseconds(milliseconds));
            pace.Advance();
            _clock.Advance(_millisecond);
            age = pace.GetAge(began);
        }
        while (GC.GetTotalPauseDuration() != paused);

        Assert.Equal(expected, age.TotalMilliseconds, tolerance: 0.001);
    }

    private void Block(SupervisorPace pace, TimeSpan after)
    {
        _clock.Advance(after);
        pace.Advance();
        pace.OnBlocked();
    }

    private sealed class Clock : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public void Advance(TimeSpan time) => _now += time.Ticks;
    }
}
