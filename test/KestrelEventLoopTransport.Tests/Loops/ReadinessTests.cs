using KestrelEventLoopTransport.Descriptors;

namespace KestrelEventLoopTransport.Tests.Loops;

/// <summary>Each move of the word, one by one.</summary>
[Trait("Contract", "loops")]
[FailsOnStock("An internal class of ours.")]
public sealed class ReadinessTests
{
    [Theory]
    [InlineData(Readiness.Ready, false)]
    [InlineData(Readiness.Canceled, false)]
    [InlineData(Readiness.TokenCanceled, false)]
    [InlineData(Readiness.Completed, false)]
    [InlineData(Readiness.Closing, false)]
    [InlineData(Readiness.Stopped, false)]
    [InlineData(Readiness.ReadOn, true)]
    [InlineData(Readiness.Finished, true)]
    [InlineData(Readiness.Broken, true)]
    [InlineData(Readiness.Claimed, true)]
    public void A_wait_begins_unless_it_has_an_end_already(int bit, bool begins)
    {
        var readiness = default(Readiness);
        readiness.Note(bit);

        Assert.Equal(begins, readiness.TryPark());
        Assert.Equal(begins, readiness.Has(Readiness.Parked));
    }

    [Fact]
    public void A_wait_is_claimed_once()
    {
        var readiness = default(Readiness);
        Assert.True(readiness.TryPark());

        Assert.True(readiness.Signal(Readiness.Ready));
        Assert.False(readiness.Signal(Readiness.Canceled));

        readiness.Stop(out _, out var claimed);
        Assert.False(claimed);
    }

    [Fact]
    public void A_stop_claims_the_wait_and_releases_once()
    {
        var readiness = default(Readiness);
        Assert.True(readiness.TryPark());

        readiness.Stop(out var released, out var claimed);
        Assert.True(released && claimed && readiness.Has(Readiness.Released));
        Assert.False(readiness.Signal(Readiness.Ready));

        readiness.Stop(out released, out claimed);
        Assert.False(released || claimed);
        Assert.False(readiness.TryBegin());
    }

    [Fact]
    public void A_stop_during_a_call_leaves_the_descriptor_to_the_caller()
    {
        var readiness = default(Readiness);
        readiness.Signal(Readiness.Ready);
        Assert.True(readiness.TryBegin());

        readiness.Stop(out var released, out _);
        Assert.False(released || readiness.Has(Readiness.Released));

        Assert.True(readiness.End(more: true));
        Assert.True(readiness.Has(Readiness.Released));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void One_call_is_made_for_an_edge_and_another_if_there_is_more(bool more)
    {
        var readiness = default(Readiness);
        Assert.False(readiness.TryBegin());
        readiness.Signal(Readiness.Ready);

        Assert.True(readiness.TryBegin());
        Assert.False(readiness.Has(Readiness.Ready));
        Assert.False(readiness.End(more));

        Assert.Equal(more, readiness.TryBegin());
    }

    [Fact]
    public void An_edge_during_a_call_is_not_lost_and_begins_no_second_call()
    {
        var readiness = default(Readiness);
        readiness.Signal(Readiness.Ready);
        Assert.True(readiness.TryBegin());

        readiness.Signal(Readiness.Ready);
        Assert.False(readiness.TryBegin());
        readiness.End(more: false);

        Assert.False(readiness.TryPark());
        Assert.True(readiness.TryBegin());
    }

    [Fact]
    public void A_call_that_something_forbids_is_not_made_and_its_edge_is_kept()
    {
        var readiness = default(Readiness);
        readiness.Signal(Readiness.Ready);
        readiness.Note(Readiness.Closing);

        Assert.False(readiness.TryBegin(unless: Readiness.Closing));
        Assert.True(readiness.TryBegin());
    }

    [Fact]
    public void A_bit_is_taken_once()
    {
        var readiness = default(Readiness);
        readiness.Signal(Readiness.Canceled | Readiness.Ready);

        Assert.True(readiness.Take(Readiness.Canceled));
        Assert.False(readiness.Take(Readiness.Canceled));
        Assert.True(readiness.Has(Readiness.Ready));
    }

    /// <summary>Two may see the bit; one gets it.</summary>
    [Fact]
    public async Task A_bit_is_taken_by_one_of_two()
    {
        const int Rounds = 20_000;
        var words = new Readiness[Rounds];
        for (var i = 0; i < Rounds; i++)
        {
            words[i].Note(Readiness.Canceled);
        }

        var taken = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => Task.Run(() =>
        {
            var count = 0;
            for (var i = 0; i < Rounds; i++)
            {
                count += words[i].Take(Readiness.Canceled) ? 1 : 0;
            }

            return count;
        })));

        Assert.Equal(Rounds, taken.Sum());
    }
}
