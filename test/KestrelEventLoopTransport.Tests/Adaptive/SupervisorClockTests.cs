using System.Diagnostics;
using KestrelEventLoopTransport.Loops.Adaptive;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>How the supervisor's thread sleeps, with a timer and without.</summary>
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock has no supervisor.")]
public sealed class SupervisorClockTests
{
    private static readonly TimeSpan _long = TimeSpan.FromHours(1);

    [Theory]
    [InlineData(true, 1)]
    [InlineData(true, 100)]
    [InlineData(false, 1)]
    [InlineData(false, 100)]
    public void A_wait_ends_at_the_time_that_was_set(bool hasTimer, int milliseconds)
    {
        using var clock = Create(hasTimer);
        var before = Stopwatch.GetTimestamp();

        clock.Set(TimeSpan.FromMilliseconds(milliseconds));
        clock.Wait();

        Assert.InRange(Stopwatch.GetElapsedTime(before).TotalMilliseconds, milliseconds, double.MaxValue);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_time_that_was_set_last_counts(bool hasTimer)
    {
        using var clock = Create(hasTimer);
        clock.Set(_long);
        clock.Set(TimeSpan.FromTicks(1));
        clock.Wait();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_wait_ends_when_an_earlier_time_is_set(bool hasTimer)
    {
        using var clock = Create(hasTimer);
        foreach (var first in (TimeSpan?[])[_long, null])
        {
            if (first is { } delay)
            {
                clock.Set(delay);
            }

            var waiting = Task.Factory.StartNew(clock.Wait, TaskCreationOptions.LongRunning);
            await Task.Delay(10);
            Assert.False(waiting.IsCompleted);
            clock.Set(TimeSpan.FromTicks(1));
            await waiting.DefaultTimeout();
        }
    }

    private static SupervisorClock Create(bool hasTimer)
    {
        var timer = hasTimer ? TimerClock.TryCreate() : null;
        Assert.SkipWhen(hasTimer && timer is null, "The system has no timers that are descriptors.");
        return timer ?? (SupervisorClock)new MonitorClock();
    }
}
