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
