using KestrelEventLoopTransport.Framing.Connections;
using KestrelEventLoopTransport.Tests.States;
using static KestrelEventLoopTransport.Framing.Connections.TurnFlags;

namespace KestrelEventLoopTransport.Framing.Tests.States;

/// <summary>The word behind a connection's turn: each transition, and every order of those that make them.</summary>
public sealed class TurnStateTests
{
    private static readonly TurnFlags[] _states = [.. Enumerable.Range(0, 32).Select(static bits => (TurnFlags)bits)];

    private static readonly Dictionary<string, TurnMoves> _bugs = new()
    {
        ["A wake does not queue the work item"] = new()
        {
            Ask = static (flags, due) => new(flags | due, TurnAction.None),
        },
        ["A wake says that the work item is queued and does not queue it"] = new()
        {
            Ask = static (flags, due) => TurnTransitions.Ask(flags, due) with { Action = TurnAction.None },
        },
        ["A wake queues the work item while callbacks run"] = new()
        {
            Ask = static (flags, due) => (flags & Queued) == 0
                ? new(flags | due | Queued, TurnAction.Queue)
                : new(flags | due, TurnAction.None),
        },
        ["The turn is passed on without a look at what is due"] = new()
        {
            Leave = static flags => (flags & LoopWaits) != 0
                ? TurnTransitions.Leave(flags)
                : new(flags & ~Taken, TurnAction.None),
        },
        ["The work item is queued twice"] = new()
        {
            Leave = static flags => (flags & LoopWaits) == 0 && (flags & Due) != 0
                ? new((flags & ~Taken) | Queued, TurnAction.Queue)
                : TurnTransitions.Leave(flags),
        },
        ["The loop that waits is forgotten"] = new()
        {
            Leave = static flags => TurnTransitions.Leave(flags & ~LoopWaits),
        },
        ["The turn is free although the loop is resumed"] = new()
        {
            Leave = static flags => (flags & LoopWaits) != 0
                ? new(flags & ~(LoopWaits | Taken), TurnAction.ResumeLoop)
                : TurnTransitions.Leave(flags),
        },
        ["The loop is resumed twice"] = new()
        {
            Leave = static flags => (flags & LoopWaits) != 0
                ? new(flags, TurnAction.ResumeLoop)
                : TurnTransitions.Leave(flags),
        },
        ["The loop waits for a turn that is free"] = new()
        {
            EnterOrWait = static flags => new(flags | LoopWaits, TurnAction.Wait),
        },
        ["The loop takes a turn that is taken"] = new()
        {
            TryEnter = static flags => new(flags | Taken, TurnAction.Run),
        },
        ["The work item runs beside the loop"] = new()
        {
            Execute = static flags => (flags & Due) != 0
                ? new((flags | Taken) & ~(Queued | Due), TurnAction.Run)
                : new(flags & ~Queued, TurnAction.None),
        },
        ["The work item stays queued"] = new()
        {
            Execute = static flags => TurnTransitions.Execute(flags) is { Action: TurnAction.Run } move
                ? move with { After = move.After | Queued }
                : new(flags, TurnAction.None),
        },
        ["The work item drops what it leaves to the loop"] = new()
        {
            Execute = static flags => (flags & Taken) != 0
                ? new(flags & ~(Queued | Due), TurnAction.None)
                : TurnTransitions.Execute(flags),
        },
        ["What has begun is still due"] = new() { TakeDue = static flags => flags },
        ["A tick that is withdrawn takes a wake with it"] = new()
        {
            Withdraw = static (flags, _) => flags & ~Due,
        },
        ["The loop does not run what is due"] = new() { LoopRunsDue = false },
    };

    public static TheoryData<string> Bugs => [.. _bugs.Keys];

    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public void No_callback_is_lost_and_no_two_run_at_once_in_any_order(bool ends, bool isConcurrent)
        => new TurnModel(new()) { Ends = ends, IsConcurrent = isConcurrent }.Explore();

    [Theory]
    [MemberData(nameof(Bugs))]
    public void The_explorer_finds_this_bug(string bug)
        => Assert.True(IllegalStateException.IsThrownBy(() => new TurnModel(_bugs[bug]) { Ends = false }.Explore()));

    [Fact]
    public void The_legal_states_are_those_that_can_be_reached()
    {
        var reached = new TurnModel(new()).Explore().Select(static world => world.Flags).Distinct().Order();

        Assert.Equal(_states.Where(TurnTransitions.IsLegal), reached);
    }

    /// <summary>Also where no order of events leads to the two together.</summary>
    [Fact]
    public void Every_event_leads_from_a_legal_state_to_a_legal_state()
    {
        foreach (var flags in _states.Where(TurnTransitions.IsLegal))
        {
            Assert.All(Events(flags), after => Assert.True(TurnTransitions.IsLegal(after), $"{flags} -> {after}"));
        }
    }

    private static IEnumerable<TurnFlags> Events(TurnFlags flags)
    {
        yield return TurnTransitions.Ask(flags, WakeDue).After;
        yield return TurnTransitions.Ask(flags, TickDue).After;
        yield return TurnTransitions.Withdraw(flags, TickDue);
        if ((flags & Queued) != 0)
        {
            yield return TurnTransitions.Execute(flags).After;
        }

        if ((flags & (LoopWaits | Queued)) == 0)
        {
            yield return TurnTransitions.EnterOrWait(flags).After;
        }

        if ((flags & Taken) != 0)
        {
            yield return TurnTransitions.TakeDue(flags);
            yield return TurnTransitions.Leave(flags).After;
        }
    }
}
