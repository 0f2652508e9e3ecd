using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Tests.Loops;

/// <summary>When a lent loop waits for events on a thread of the pool.</summary>
[Trait("Contract", "loops")]
[FailsOnStock("Loops of ours.")]
public sealed class LoanPolicyTests
{
    /// <summary>The thread that waits might have done the work at once.</summary>
    [Fact]
    public void Waits_that_hold_up_work_are_skipped_more_and_more_often()
    {
        var policy = default(LoanPolicy);
        int[] skips = [0, 1, 3, 7, 15, 31, 32, 32];
        foreach (var expected in skips)
        {
            Assert.Equal(expected, CountSkips(ref policy));
            policy.OnWaited(found: false, hasWork: true);
        }

        policy.OnWaited(found: true, hasWork: true);
        Assert.Equal(0, CountSkips(ref policy));
    }

    [Fact]
    public void Waits_in_which_nothing_comes_are_not_skipped()
    {
        var policy = default(LoanPolicy);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(0, CountSkips(ref policy));
            policy.OnWaited(found: false, hasWork: false);
        }
    }

    private static int CountSkips(ref LoanPolicy policy)
    {
        var skips = 0;
        while (!policy.ShouldWait())
        {
            skips++;
        }

        return skips;
    }
}
