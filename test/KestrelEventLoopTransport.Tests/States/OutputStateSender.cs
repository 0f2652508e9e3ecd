using KestrelEventLoopTransport.Connections.Output;
using Turn = KestrelEventLoopTransport.Tests.States.OutputStateTurn;
using World = KestrelEventLoopTransport.Tests.States.OutputStateWorld;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>The sender's program, and what a thread does after a transition.</summary>
internal static class OutputStateSender
{
    // As in ConnectionOutput.
    private static readonly OutputAction[] _order =
    [
        OutputAction.Send, OutputAction.FreeChain, OutputAction.ReportFailure, OutputAction.ReportFinished,
        OutputAction.QueueWork,
        OutputAction.ReportDrained, OutputAction.ReleaseDescriptor, OutputAction.RetryLater, OutputAction.CompleteFlush,
        OutputAction.ReleaseFlushLater,
    ];

    internal static IEnumerable<World> Send(OutputStateModel model, Turn turn, bool completesFlush)
    {
        var (world, own) = (turn.World, turn.Own);
        switch (own.Sending)
        {
            case SendStep.LookForFin when !model.LooksForFinFirst:
                return [turn.As(own with { Number = world.Unsent }).GoTo(SendStep.LookForBytes)];
            case SendStep.LookForFin:
                return [turn.As(own with { Seen = turn.Flags }).GoTo(SendStep.LookForBytes)];
            case SendStep.LookForBytes:
                var (seen, unsent) = model.LooksForFinFirst ? (own.Seen, world.Unsent) : (turn.Flags, own.Number);
                turn = turn.As(own with { Seen = 0, Number = unsent });
                if (unsent == 0 || (seen & OutputFlags.Stopped) != 0)
                {
                    return [(seen & OutputFlags.Finishing) == 0
                        ? Ends(turn, SendOutcome.Sent)
                        : turn.GoTo(SendStep.SendFin)];
                }

                var call = turn.GoTo(SendStep.Call);
                return world.Faults == 0 ? [call] : [call, Ends(WithFault(turn), SendOutcome.OutOfBudget)];
            case SendStep.SendFin:
                return [SendFin(turn)];
            case SendStep.Call:
                return Call(model, turn);
            case SendStep.Watch when !model.WatchesAsSender:
                return [Ends(turn, SendOutcome.Blocked)];
            case SendStep.Watch:
                return Watch(model, turn);
            case SendStep.WatchLate:
                return [WatchLate(turn)];
            case SendStep.ReadState:
                return [turn.As(own with { Seen = turn.Flags }).GoTo(SendStep.ReadHead)];
            case SendStep.ReadHead:
                var chain = model.ReadsHeadAgain ? world.Head : own.Chain;
                return [turn.As(own with { Chain = chain }).GoTo(SendStep.LookForRoom)];
            case SendStep.LookForRoom:
                return [turn.As(own with { Number = world.Unsent }).GoTo(SendStep.End)];
            case SendStep.End when own.Seen != turn.Flags:
                return [turn.GoTo(SendStep.ReadState)];
            default:
                var hasRoom = own.Number <= OutputStateModel.Room;
                var move = OutputTransitions.EndSend(own.Seen, own.Outcome, hasRoom, completesFlush);
                var isLate = !model.WatchesAsSender && (move.After & OutputFlags.Blocked) != 0;
                return [turn.As(own with { Sending = isLate ? SendStep.WatchLate : SendStep.None })
                    .Make("EndSend", move)];
        }
    }

    /// <summary>Performs the first action that the thread must do.</summary>
    internal static World Perform(Turn turn)
    {
        var action = _order.First(action => (turn.Own.Todo & action) != 0);
        var world = turn.World;
        turn = turn.As(turn.Own with { Todo = turn.Own.Todo & ~action });
        return action switch
        {
            OutputAction.Send => turn.GoTo(SendStep.LookForFin),
            OutputAction.ReportFinished => turn.In(world with { FinReports = world.FinReports + 1 }).End(),
            OutputAction.FreeChain => turn.In(Free(world, turn.Own.Chain)).As(turn.Own with { Chain = 0 }).End(),
            OutputAction.CompleteFlush when !world.FlushIsPending => world.Break("A flush is completed twice"),
            OutputAction.CompleteFlush => turn.In(world with { FlushIsPending = false }).End(),
            OutputAction.QueueWork => turn.In(world with { WorkItems = world.WorkItems + 1 }).End(),
            OutputAction.ReportDrained
                => turn.In(world with { Drains = world.Drains + 1 }).Make("Stop", OutputTransitions.Stop(turn.Flags)),
            OutputAction.ReleaseDescriptor => turn.In(world with { Releases = world.Releases + 1 }).End(),
            OutputAction.RetryLater => turn.In(world with { Retries = world.Retries + 1 }).End(),
            OutputAction.ReleaseFlushLater => turn.In(world with { LaterReleases = world.LaterReleases + 1 }).End(),
            _ => turn.End(),
        };
    }

    private static World SendFin(Turn turn)
    {
        var world = turn.World;
        return world.Releases != 0 ? world.Break("A system call uses a descriptor that was released")
            : world.Unsent != 0 ? world.Break("The FIN overtakes bytes")
            : world.PeerIsGone ? Ends(turn, SendOutcome.Failed)
            : Ends(turn.In(world with { Fins = world.Fins + 1 }), SendOutcome.Finished);
    }

    private static IEnumerable<World> Call(OutputStateModel model, Turn turn)
    {
        var (world, own) = (turn.World, turn.Own);
        if (world.Releases != 0)
        {
            yield return world.Break("A system call uses a descriptor that was released");
        }
        else if (world.IsFreed(world.Head))
        {
            yield return world.Break("A freed chain is sent");
        }
        else if (world.PeerIsGone)
        {
            yield return Ends(turn, SendOutcome.Failed);
        }
        else if (world.Room == 0)
        {
            yield return turn.In(world with { FoundFull = true }).GoTo(SendStep.Watch);
        }
        else
        {
            var sent = Math.Min(own.Number, world.Room);
            var isFull = sent < own.Number;
            yield return turn
                .In(world with
                {
                    Room = world.Room - sent,
                    Sent = world.Sent + sent,
                    FoundFull = world.FoundFull || (isFull && model.ShortIsFull),
                })
                .As(own with { Number = 0 })
                .GoTo(isFull ? SendStep.Watch : SendStep.LookForFin);
            if (world.Faults > 0)
            {
                yield return Ends(WithFault(turn), SendOutcome.Shortage);
            }
        }
    }

    /// <summary>
    /// The socket is full. The first time, it is registered for output, and the kernel looks whether there is room.
    /// </summary>
    private static IEnumerable<World> Watch(OutputStateModel model, Turn turn)
    {
        var world = turn.World;
        if (!world.IsWatched && world.Faults > 0)
        {
            yield return Ends(WithFault(turn), SendOutcome.Shortage);
        }

        var edge = !world.IsWatched && model.LooksAtRegistration && (world.Room > 0 || world.PeerIsGone);
        yield return Ends(
            turn.In(world with { IsWatched = model.Watches, Edge = world.Edge || edge }), SendOutcome.Blocked);
    }

    private static World WatchLate(Turn turn)
    {
        var world = turn.World;
        return world.Releases != 0 && !world.IsWatched
            ? world.Break("A system call uses a descriptor that was released")
            : turn.In(world with { IsWatched = true, Edge = world.Edge || world.Room > 0 || world.PeerIsGone })
                .GoTo(SendStep.None);
    }

    private static Turn WithFault(Turn turn) => turn.In(turn.World with { Faults = turn.World.Faults - 1 });

    private static World Ends(Turn turn, SendOutcome outcome)
        => turn.As(turn.Own with { Outcome = outcome, Chain = turn.World.Head }).GoTo(SendStep.ReadState);

    // Chain 0 is none.
    private static World Free(World world, int chain)
        => chain == 0 ? world
            : world.IsFreed(chain)
            ? world.Break("A chain is freed twice")
            : world with
            {
                Freed = world.Freed | (1 << (chain - 1)),
                Sent = world.Has(OutputFlags.Stopped | OutputFlags.Failed) ? world.Committed : world.Sent,
            };
}
