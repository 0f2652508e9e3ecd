using KestrelEventLoopTransport.Framing.Connections;
using KestrelEventLoopTransport.Tests.States;
using static KestrelEventLoopTransport.Framing.Connections.TurnFlags;

namespace KestrelEventLoopTransport.Framing.Tests.States;

/// <summary>
/// The reading loop, the thread pool and those who ask for ticks and wakes, in every order of their atomic steps.
/// </summary>
internal sealed class TurnModel(TurnMoves moves)
{
    /// <summary>Whether the loop ends the connection after its last batch. If not, it waits for frames.</summary>
    public bool Ends { get; init; } = true;

    /// <summary>Whether ticks may run beside frames: the loop does not take the turn for these then.</summary>
    public bool IsConcurrent { get; init; }

    internal IReadOnlyCollection<TurnWorld> Explore()
        => new Explorer<TurnWorld>()
            .Actor("loop", Loop)
            .Actor("wake", world => Ask(world, WakeDue))
            .Actor("timer", world => Ask(world, TickDue))
            .Actor("pool", Pool)
            .Actor("runner", Run)
            .Always("No promise is broken", static world => world.Broken is null)
            .Always("The word is legal", static world => TurnTransitions.IsLegal(world.Flags))
            .Always("One party runs callbacks at most", static world => world.Holders <= 1)
            .Always(
                "The word says whether one does",
                static world => world.Holders == ((world.Flags & Taken) == 0 ? 0 : 1))
            .Always("What was asked for is known", static world => (world.Flags & Due) == world.Owed)
            .Always(
                "The work item is in the queue when the word says so",
                static world => world.Items == ((world.Flags & Queued) == 0 ? 0 : 1))
            .AtTheEnd(
                Ends ? "The connection ends" : "The loop waits for frames",
                world => world.Loop == (Ends ? LoopPlace.Ended : LoopPlace.Outside))
            .AtTheEnd("What was asked for has run", world => Ends || world.Owed == None)
            .AtTheEnd("No work item is left", static world => world.Items == 0 && world.Runners == 0)
            .Explore(new TurnWorld { Batches = 3, Asks = 4 });

    private IEnumerable<TurnWorld> Loop(TurnWorld world)
    {
        switch (world.Loop)
        {
            case LoopPlace.Outside when world.Batches == 0 && !Ends:
                break;
            case LoopPlace.Outside when IsConcurrent && world is { IsConnected: true, Batches: > 0 }:
                yield return world with { Batches = world.Batches - 1 };
                break;
            case LoopPlace.Outside:
                yield return moves.TryEnter(world.Flags) is { } entered
                    ? HaveTurn(world with { Flags = entered.After })
                    : world with { Loop = LoopPlace.BeforeWait };
                break;
            case LoopPlace.BeforeWait:
                var move = moves.EnterOrWait(world.Flags);
                world = world with { Flags = move.After };
                yield return move.Action == TurnAction.Run ? HaveTurn(world) : world with { Loop = LoopPlace.Waiting };
                break;
            case LoopPlace.Delivering:
                var seesDue = world.IsConnected && moves.LoopRunsDue && (world.Flags & Due) != 0;
                yield return world with { Loop = seesDue ? LoopPlace.BeforeDue : LoopPlace.Leaving };
                break;
            case LoopPlace.BeforeDue:
                var begun = Begin(world, moves.TakeDue(world.Flags)) with { Loop = LoopPlace.Leaving };
                yield return begun;
                yield return WithdrawTick(begun);
                break;
            case LoopPlace.Leaving:
                var isStarved = world.IsConnected && world.DueBefore != None;
                world = isStarved ? world.Break("Frames do not starve ticks") : world;
                yield return Leave(world with { Loop = LoopPlace.Outside, IsConnected = true });
                break;
        }
    }

    private static TurnWorld HaveTurn(TurnWorld world)
        => world.Batches == 0
            ? world with { Loop = LoopPlace.Ended }
            : world with { Loop = LoopPlace.Delivering, Batches = world.Batches - 1, DueBefore = world.Flags & Due };

    /// <summary>Due callbacks begin: what is asked for from now on is for another run.</summary>
    private static TurnWorld Begin(TurnWorld world, TurnFlags after)
    {
        var due = world.Flags & Due;
        return world with { Flags = after, Owed = world.Owed & ~due, DueBefore = world.DueBefore & ~due };
    }

    // A tick that says when it wants to be called next takes back the one that became due while it ran.
    private TurnWorld WithdrawTick(TurnWorld world)
        => world with { Flags = moves.Withdraw(world.Flags, TickDue), Owed = world.Owed & ~TickDue };

    private IEnumerable<TurnWorld> Ask(TurnWorld world, TurnFlags due)
    {
        if (world.Asks == 0)
        {
            yield break;
        }

        world = world with { Asks = world.Asks - 1, Owed = world.Owed | due };
        yield return (world.Flags & due) != 0 ? world : Act(world, moves.Ask(world.Flags, due));
    }

    private IEnumerable<TurnWorld> Pool(TurnWorld world)
    {
        if (world.Items == 0)
        {
            yield break;
        }

        world = world with { Items = world.Items - 1 };
        var move = moves.Execute(world.Flags);
        if (move.Action != TurnAction.Run)
        {
            yield return world with { Flags = move.After };
            yield break;
        }

        world = world.Loop == LoopPlace.Waiting ? world.Break("Wakes do not overtake a loop that waits") : world;
        yield return Begin(world, move.After) with { Runners = world.Runners + 1 };
    }

    private IEnumerable<TurnWorld> Run(TurnWorld world)
    {
        if (world.Runners == 0)
        {
            yield break;
        }

        var left = world with { Runners = world.Runners - 1 };
        yield return Leave(left);
        if ((world.Flags & TickDue) != 0)
        {
            yield return WithdrawTick(world);
        }
    }

    private TurnWorld Leave(TurnWorld world) => Act(world, moves.Leave(world.Flags));

    private static TurnWorld Act(TurnWorld world, TurnMove move)
    {
        world = world with { Flags = move.After };
        return move.Action switch
        {
            TurnAction.Queue => world with { Items = world.Items + 1 },
            TurnAction.ResumeLoop when world.Loop != LoopPlace.Waiting
                => world.Break("Only a loop that waits is resumed"),
            TurnAction.ResumeLoop => HaveTurn(world),
            _ => world,
        };
    }
}
