using KestrelEventLoopTransport.Loops.Adaptive;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>When a loop goes to another thread.</summary>
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock has no supervisor.")]
public sealed class SupervisorPolicyTests
{
    private static readonly TimeSpan _threshold = TimeSpan.FromMilliseconds(1);
    private readonly HandOffPolicy _policy = new(_threshold, processors: 4);

    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    public void A_blocked_thread_is_replaced_at_once(int computing)
        => Assert.True(_policy.Allows(blocked: true, TimeSpan.FromTicks(1), computing));

    /// <summary>
    /// Ten thresholds when all processors compute, and twice that for each round more, up to 64 times.
    /// </summary>
    [Theory]
    [InlineData(1, 0.5)]
    [InlineData(3, 0.5)]
    [InlineData(4, 10)]
    [InlineData(7, 10)]
    [InlineData(8, 20)]
    [InlineData(12, 40)]
    [InlineData(28, 640)]
    [InlineData(32, 640)]
    [InlineData(4000, 640)]
    public void A_thread_that_computes_is_replaced_the_later_the_more_compute(int computing, double thresholds)
    {
        Assert.True(_policy.Allows(blocked: false, _threshold * thresholds, computing));
        Assert.False(_policy.Allows(blocked: false, (_threshold * thresholds) - TimeSpan.FromTicks(1), computing));
    }
}
