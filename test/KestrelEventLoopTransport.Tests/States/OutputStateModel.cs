using KestrelEventLoopTransport.Connections.Output;
using Thread = KestrelEventLoopTransport.Tests.States.OutputStateThread;
using Turn = KestrelEventLoopTransport.Tests.States.OutputStateTurn;
using World = KestrelEventLoopTransport.Tests.States.OutputStateWorld;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// The programs of the threads around one connection's output, step by step as <c>ConnectionOutput</c> has them, over
/// the real transitions. A step is one atomic operation, one read of shared memory, or one action.
/// </summary>
internal sealed record OutputStateModel
{
    // The limits that make a flush wait, and that release it.
    internal const int Full = 2;
    internal const int Room = 1;

    // What the socket takes when the peer has read everything.
    private const int Capacity = 1;

    /// <summary>The last place of each program.</summary>
    internal const int Done = 100;

    /// <summary>The flushes of the writer, of one byte each.</summary>
    internal int Writes { get; init; } = 3;

    /// <summary>Whether the writer completes at the end.</summary>
    internal bool Completes { get; init; }

    /// <summary>Whether the writer finishes at the end, so that a FIN follows its bytes.</summary>
    internal bool Finishes { get; init; }

    /// <summary>Whether the writer awaits a flush before it goes on.</summary>
    internal bool Awaits { get; init; } = true;

    /// <summary>Whether the writer runs in a dispatch, which a supervisor may find overdue at any time.</summary>
    internal bool Dispatches { get; init; }

    /// <summary>Whether the writer may queue its flushes.</summary>
    internal bool Queues { get; init; }

    internal bool Stops { get; init; }

    internal bool Cancels { get; init; }

    /// <summary>Whether the write deadline passes.</summary>
    internal bool Expires { get; init; }

    /// <summary>Whether the write deadline is moved into the future afterwards.</summary>
    internal bool Revives { get; init; }

    /// <summary>Whether the peer may disappear.</summary>
    internal bool Fails { get; init; }

    /// <summary>How often the kernel may be short of memory, or a sender's budget be used up.</summary>
    internal int Faults { get; init; }

    /// <summary>How often the peer reads all that has arrived. The default is as often as it can.</summary>
    internal int Reads { get; init; } = 100;

    /// <summary>Whether the writer looks for room once more after its flush has parked.</summary>
    internal bool LooksAgain { get; init; } = true;

    /// <summary>Whether the sender reads the head of the chain again after each read of the state.</summary>
    internal bool ReadsHeadAgain { get; init; } = true;

    /// <summary>Whether the writer looks once more whether its dispatch has lost its loop.</summary>
    internal bool LooksForItsLoop { get; init; } = true;

    /// <summary>Whether the sender that finds the socket full registers it for output.</summary>
    internal bool Watches { get; init; } = true;

    /// <summary>Whether the kernel looks whether there is room when a socket is registered for output.</summary>
    internal bool LooksAtRegistration { get; init; } = true;

    /// <summary>Whether a send that takes less than it is given has found the socket full.</summary>
    internal bool ShortIsFull { get; init; } = true;

    /// <summary>Whether the sender is still the sender when it registers the socket for output.</summary>
    internal bool WatchesAsSender { get; init; } = true;

    /// <summary>Whether the sender looks for the writer's end before it looks for bytes.</summary>
    internal bool LooksForFinFirst { get; init; } = true;

    /// <summary>Replaces a transition by one with a bug.</summary>
    internal Func<string, OutputMove, OutputMove> Bug { get; init; } = static (_, move) => move;

    internal IReadOnlyCollection<World> Explore(bool checksLegality = true)
    {
        var explorer = new Explorer<World>()
            .Actor("kernel", Kernel)
            .Actor("peer", Peer)
            .Actor("writer", Runs(w => w.Writer, (w, t) => w with { Writer = t }, WriterSteps))
            .Actor("loop", Runs(w => w.Loop, (w, t) => w with { Loop = t }, LoopSteps, completesFlush: true))
            .Actor("pool", Runs(w => w.Pool, (w, t) => w with { Pool = t }, PoolSteps, completesFlush: true))
            .Actor("supervisor", Runs(w => w.Supervisor, (w, t) => w with { Supervisor = t }, SupervisorSteps))
            .Actor("closer", Runs(w => w.Closer, (w, t) => w with { Closer = t }, CloserSteps))
            .Actor("canceler", Runs(w => w.Canceler, (w, t) => w with { Canceler = t }, CancelerSteps))
            .Actor("deadline", Runs(w => w.Deadline, (w, t) => w with { Deadline = t }, DeadlineSteps))
            .Always("No rule is broken", w => w.Broken is null)
            .Always(
                "Exactly the thread that has set Sending sends", w => w.Senders == (w.Has(OutputFlags.Sending) ? 1 : 0))
            .AtTheEnd(
                "No flush waits while there is room", w => !w.FlushIsPending || (w.IsStarved && w.Unsent > Room))
            .AtTheEnd("No flush waits after its deadline", w => !w.FlushIsPending || !w.Has(OutputFlags.TimedOut))
            .AtTheEnd("The writer is done", w => w.Writer.Place == Done || w.FlushIsPending)
            .AtTheEnd(
                "All is sent",
                w => w.IsStarved || w.Unsent == 0 || w.Has(OutputFlags.Stopped | OutputFlags.Failed))
            .AtTheEnd(
                "The FIN is sent once",
                w => w.IsStarved || w.Fins == (Finishes ? 1 : 0)
                    || (w.Fins == 0 && w.Has(OutputFlags.Stopped | OutputFlags.Failed)))
            .AtTheEnd(
                "The connection hears of the FIN once",
                w => w.FinReports == (w.Has(OutputFlags.Finished) ? 1 : 0))
            .AtTheEnd("Every chain is freed", w => w.IsStarved || w.Freed == (1 << w.Chains) - 1)
            .AtTheEnd("A completed writer is drained once", w => w.Drains == (Completes ? 1 : 0))
            .AtTheEnd("The descriptor is released once", w => w.Releases == (Completes || Stops ? 1 : 0));
        if (checksLegality)
        {
            explorer.Always("The state is legal", w => OutputTransitions.IsLegal(w.Flags));
        }

        return explorer.Explore(new World
        {
            WritesLeft = Writes,
            ReadsLeft = Reads,
            Room = Capacity,
            IsDispatching = Dispatches,
            Faults = Faults,
        });
    }

    private static IEnumerable<World> Kernel(World world)
    {
        if (world.Room < Capacity && world.ReadsLeft > 0)
        {
            yield return world with
            {
                Room = Capacity,
                Edge = world.Edge || (world.FoundFull && world.IsWatched),
                FoundFull = false,
                ReadsLeft = world.ReadsLeft - 1,
            };
        }
    }

    private IEnumerable<World> Peer(World world)
    {
        if (Fails && !world.PeerIsGone)
        {
            yield return world with { PeerIsGone = true, Edge = true };
        }
    }

    private static IEnumerable<World> LoopSteps(Turn turn)
    {
        var world = turn.World;
        if (world.Edge)
        {
            yield return turn.In(world with { Edge = false })
                .Make("OnWritable", OutputTransitions.OnWritable(turn.Flags));
        }

        if (world.Retries > 0)
        {
            yield return turn.In(world with { Retries = world.Retries - 1 })
                .Make("Uncork", OutputTransitions.Uncork(turn.Flags));
        }
    }

    private static IEnumerable<World> PoolSteps(Turn turn)
    {
        var world = turn.World;
        if (world.WorkItems > 0)
        {
            yield return turn.In(world with { WorkItems = world.WorkItems - 1 })
                .Make("TakeWork", OutputTransitions.TakeWork(turn.Flags));
        }

        if (world.LaterReleases > 0)
        {
            yield return turn.In(world with { LaterReleases = world.LaterReleases - 1 })
                .Make("ReleaseFlush", OutputTransitions.ReleaseFlush(turn.Flags, 0));
        }
    }

    private IEnumerable<World> WriterSteps(Turn turn) => OutputStateWriter.Steps(this, turn);

    private IEnumerable<World> SupervisorSteps(Turn turn)
    {
        const int uncork = 1;
        return turn.Own.Place switch
        {
            0 when Dispatches => [turn.In(turn.World with { IsDispatching = false }).GoTo(uncork)],
            uncork => [turn.Make("Uncork", OutputTransitions.Uncork(turn.Flags), Done)],
            _ => [],
        };
    }

    private IEnumerable<World> CloserSteps(Turn turn)
        => Stops && turn.Own.Place == 0 ? [turn.Make("Stop", OutputTransitions.Stop(turn.Flags), Done)] : [];

    private IEnumerable<World> CancelerSteps(Turn turn)
    {
        if (Cancels && turn.Own.Place == 0)
        {
            var move = OutputTransitions.ReleaseFlush(turn.Flags, OutputFlags.FlushCanceled);
            yield return turn.Make("ReleaseFlush", move, Done);
        }
    }

    private IEnumerable<World> DeadlineSteps(Turn turn)
    {
        const int revive = 1;
        var ends = turn.In(turn.World with { MustTimeOut = turn.World.Has(OutputFlags.FlushParked) });
        return turn.Own.Place switch
        {
            0 when Expires => [ends.Make("Expire", OutputTransitions.Expire(turn.Flags), Revives ? revive : Done)],
            revive => [turn.Make("Revive", OutputTransitions.Revive(turn.Flags), Done)],
            _ => [],
        };
    }

    private Func<World, IEnumerable<World>> Runs(
        Func<World, Thread> get,
        Func<World, Thread, World> set,
        Func<Turn, IEnumerable<World>> program,
        bool completesFlush = false)
        => world =>
        {
            var turn = new Turn(world, get(world), set, Bug);
            return turn.Own.Sending != SendStep.None ? OutputStateSender.Send(this, turn, completesFlush)
                : turn.Own.Todo != OutputAction.None ? [OutputStateSender.Perform(turn)]
                : program(turn);
        };
}
