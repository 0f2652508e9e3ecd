using KestrelEventLoopTransport.Connections.Output;
using Turn = KestrelEventLoopTransport.Tests.States.OutputStateTurn;
using World = KestrelEventLoopTransport.Tests.States.OutputStateWorld;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>The writer's program: it writes, flushes, waits for room, and completes.</summary>
internal static class OutputStateWriter
{
    private const int Write = 0;
    private const int StartChain = 1;
    private const int OpenChain = 2;
    private const int Commit = 3;
    private const int Publish = 4;
    private const int PublishCorked = 5;
    private const int LookForLoop = 6;
    private const int LookForRoom = 7;
    private const int ReadState = 8;
    private const int ReadUnsent = 9;
    private const int Park = 10;
    private const int LookAgain = 11;
    private const int Wait = 12;
    private const int Return = 13;
    private const int Complete = 14;
    private const int Drain = 15;
    private const int Finish = 16;
    private const int BeginFinish = 17;

    internal static IEnumerable<World> Steps(OutputStateModel model, Turn turn)
        => turn.Own.Place < LookForRoom ? WriteSteps(model, turn) : [.. FlushSteps(model, turn)];

    private static IEnumerable<World> WriteSteps(OutputStateModel model, Turn turn)
    {
        var world = turn.World;
        switch (turn.Own.Place)
        {
            case Write when world.WritesLeft == 0:
                return [turn.GoTo(model.Finishes ? Finish : End(model))];
            case Write when !turn.World.Has(OutputFlags.HasChain):
                return [turn.GoTo(StartChain)];
            case Write:
                return [turn.Make("ReopenChain", OutputTransitions.ReopenChain(turn.Flags), Commit)];
            case StartChain:
                return [turn.In(world with { Chains = world.Chains + 1, Head = world.Chains + 1 }).GoTo(OpenChain)];
            case OpenChain:
                return [turn.Make("OpenChain", OutputTransitions.OpenChain(turn.Flags), Commit)];
            case Commit:
                return Commits(model, turn);
            case Publish:
            case PublishCorked:
                var next = turn.Own.Place == PublishCorked ? LookForLoop : LookForRoom;
                return [Publishes(turn, (Deferral)turn.Own.Number, next)];
            case LookForLoop when !world.IsDispatching && model.LooksForItsLoop:
                return [turn.Make("Uncork", OutputTransitions.Uncork(turn.Flags), LookForRoom)];
            default:
                return [turn.GoTo(LookForRoom)];
        }
    }

    private static IEnumerable<World> Commits(OutputStateModel model, Turn turn)
    {
        var world = turn.World with { Committed = turn.World.Committed + 1, WritesLeft = turn.World.WritesLeft - 1 };
        if (world.IsFreed(world.Chains))
        {
            world = world.Break("A freed chain is written to");
        }

        yield return Defers(Deferral.None, Publish);
        if (model.Dispatches)
        {
            // Also if the thread has lost its loop: it looks for that afterwards.
            yield return Defers(Deferral.Cork, PublishCorked);
        }

        if (model.Queues)
        {
            yield return Defers(Deferral.Queue, Publish);
        }

        World Defers(Deferral deferral, int place)
            => turn.In(world).As(turn.Own with { Number = (int)deferral }).GoTo(place);
    }

    private static World Publishes(Turn turn, Deferral deferral, int place)
        => turn.As(turn.Own with { Chain = turn.World.Head })
            .Make("Publish", OutputTransitions.Publish(turn.Flags, deferral), place);

    private static IEnumerable<World> FlushSteps(OutputStateModel model, Turn turn)
    {
        var (world, own) = (turn.World, turn.Own);
        switch (own.Place)
        {
            case LookForRoom when world is { FlushIsOutstanding: true, FlushIsPending: true }:
                yield return turn.GoTo(Write);
                break;
            case LookForRoom when world.FlushIsOutstanding:
                yield return turn.In(world with { FlushIsOutstanding = false })
                    .Make("ForgetToken", OutputTransitions.ForgetToken(turn.Flags));
                break;
            case LookForRoom:
                var isFull = world.Unsent >= OutputStateModel.Full;
                yield return turn.In(world with { FlushIsPending = isFull }).GoTo(isFull ? ReadState : Return);
                break;
            case ReadState:
                yield return turn.As(own with { Seen = turn.Flags }).GoTo(ReadUnsent);
                break;
            case ReadUnsent:
                yield return turn.As(own with { Number = world.Unsent }).GoTo(Park);
                break;
            case Park:
                yield return Parks(turn);
                break;
            case LookAgain when world.Unsent <= OutputStateModel.Room && model.LooksAgain:
                yield return turn.Make("ReleaseFlush", OutputTransitions.ReleaseFlush(turn.Flags, 0), Wait);
                break;
            case LookAgain:
                yield return turn.GoTo(Wait);
                break;
            case Wait when !model.Awaits:
                yield return turn.GoTo(Write);
                break;
            case Wait when !world.FlushIsPending:
                yield return turn.GoTo(Return);
                break;
            case Return:
                var taken = turn.In(world with { FlushIsOutstanding = false, MustTimeOut = false })
                    .Make("TakeCancellation", OutputTransitions.TakeCancellation(turn.Flags), Write);
                yield return taken.Has(OutputFlags.FlushTimedOut) ? taken.Break("The outcome of a flush is left")
                    : world.MustTimeOut && !world.Has(OutputFlags.FlushTimedOut)
                    ? taken.Break("A deadline is forgotten")
                    : taken;
                break;
            case Finish:
                yield return Publishes(turn, Deferral.None, BeginFinish);
                break;
            case BeginFinish:
                yield return turn.Make("BeginFinish", OutputTransitions.BeginFinish(turn.Flags), End(model));
                break;
            case Complete:
                yield return Publishes(turn, Deferral.None, Drain);
                break;
            case Drain:
                yield return turn.Make("BeginDrain", OutputTransitions.BeginDrain(turn.Flags), OutputStateModel.Done);
                break;
        }
    }

    private static int End(OutputStateModel model) => model.Completes ? Complete : OutputStateModel.Done;

    private static World Parks(Turn turn)
    {
        if (turn.Own.Seen != turn.Flags)
        {
            return turn.GoTo(ReadState);
        }

        var isFull = turn.Own.Number >= OutputStateModel.Full;
        var parked = turn.Make("ParkFlush", OutputTransitions.ParkFlush(turn.Own.Seen, isFull), LookAgain);
        return parked.Has(OutputFlags.FlushParked)
            ? parked with { FlushIsOutstanding = true }
            : turn.In(turn.World with { FlushIsPending = false }).GoTo(Return);
    }
}
