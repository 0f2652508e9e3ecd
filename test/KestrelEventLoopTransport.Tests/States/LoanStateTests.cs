using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// A loop that is lent to the thread pool, returned and reclaimed, in every order of its thread, the pool's threads and
/// threads that post work.
/// </summary>
[FailsOnStock("An internal class of ours.")]
public sealed class LoanStateTests
{
    private static readonly Dictionary<string, LoanModel> _bugs = new()
    {
        ["the loop is lent while the pool still has an item"] = new()
        {
            Reclaim = static state => state == LoanState.Queued ? LoanState.Home : state,
        },
        ["a running turn is reclaimed"] = new()
        {
            Reclaim = static state => state is LoanState.Queued or LoanState.Running ? LoanState.Reclaimed : state,
        },
        ["the item runs a turn and leaves the state queued"] = new() { Start = static state => state },
        ["a reclaimed item is not forgotten"] = new()
        {
            Start = static state => state == LoanState.Queued ? LoanState.Running : state,
        },
        ["a turn is queued and still counts as running"] = new() { Requeue = static state => state },
        ["the loop does not come home"] = new() { Return = static state => state },
        ["the loop goes home although the next turn is queued"] = new() { Requeue = LoanTransitions.Return },
        ["the loop is not lent, and its thread waits for it"] = new()
        {
            Lend = static state => state,
        },
        ["the item is queued before the loop is lent"] = new() { LendsBeforeItQueues = false },
        ["the loop is given away and nothing marks it"] = new() { Disown = static state => state },
        ["the thread at home keeps the mark of a wake-up"] = new() { ForgetsWakeAtHome = false },
        ["a turn that waits keeps the mark of a wake-up"] = new() { ForgetsWakeOnPool = false },
        ["a turn waits without a look at the queue"] = new() { LooksBeforeItWaits = false },
        ["the thread at home does not own the loop"] = new()
        {
            OwnsAtHome = false,
            Disown = static state => state.Own(2),
        },
    };

    public static TheoryData<string> PlantedBugs => [.. _bugs.Keys];

    [Fact]
    public void One_thread_runs_the_loop_and_no_work_is_lost()
    {
        var states = new LoanModel().Explore();

        Assert.InRange(states.Count, 10_000, int.MaxValue);
        foreach (var state in Enum.GetValues<LoanState>())
        {
            Assert.Contains(states, visited => visited.Loan == state && visited.Queued > 1);
        }
    }

    [Theory]
    [MemberData(nameof(PlantedBugs))]
    public void The_explorer_finds_a_planted_bug(string bug)
        => Assert.Throws<IllegalStateException>(() => _bugs[bug].Explore());

    [Fact]
    public void A_move_that_is_not_possible_changes_nothing()
    {
        foreach (var state in Enum.GetValues<LoanState>())
        {
            Assert.Equal(state == LoanState.Home ? LoanState.Queued : state, LoanTransitions.Lend(state));
            Assert.Equal(state == LoanState.Running ? LoanState.Queued : state, LoanTransitions.Requeue(state));
            Assert.Equal(state == LoanState.Running ? LoanState.Home : state, LoanTransitions.Return(state));
            Assert.Equal(state == LoanState.Queued ? LoanState.Reclaimed : state, LoanTransitions.Reclaim(state));
        }
    }
}
