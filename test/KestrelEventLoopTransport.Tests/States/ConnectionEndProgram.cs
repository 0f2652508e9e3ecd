using KestrelEventLoopTransport.Connections;
using static KestrelEventLoopTransport.Tests.States.ConnectionEndFacts;
using static KestrelEventLoopTransport.Tests.States.ConnectionEndStep;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// What the methods of <c>StreamConnection</c> do at its end, in the same order, as steps over the transitions. Of the
/// halves only two things are left: whether a thread is inside a system call, and what ends them.
/// </summary>
internal sealed class ConnectionEndProgram(ConnectionEndTransitions transitions)
{
    private const int Pool = 6;

    /// <summary>A connection with some of the threads that may end it.</summary>
    internal ConnectionEndModel Start(
        ConnectionEndStep peer = Nothing,
        ConnectionEndStep abort = Nothing,
        bool disposes = false,
        bool sends = false,
        bool borrows = false,
        bool disposesTwice = false)
        => new(
            default,
            transitions.References,
            sends ? OutputBusy : default,
            new(
                Steps(Register, SetToken, transitions.References > 2 ? Release : Nothing),
                peer == Nothing ? "" : Steps(AwaitRegistered, peer, BeginReceive, AnnounceIfCompleted),
                abort == Nothing ? "" : Steps(AwaitStarted, abort),
                disposes ? Steps(AwaitStarted, BeginDispose, LookForFinish) : "",
                sends ? Steps(AwaitStarted, Send, EndSend) : "",
                borrows ? Steps(AwaitStarted, Borrow)
                    : disposesTwice ? Steps(AwaitStarted, BeginDispose, LookForFinish)
                    : "",
                ""),
            null);

    /// <summary>What a thread's next step leads to. Nothing while it waits.</summary>
    internal IEnumerable<ConnectionEndModel> Next(ConnectionEndModel model, int thread)
    {
        var steps = model.Threads[thread];
        if (steps.Length == 0)
        {
            yield break;
        }

        var rest = model with { Threads = model.Threads.With(thread, steps[1..]) };
        foreach (var (next, before) in Run(rest, (ConnectionEndStep)steps[0]))
        {
            yield return next with { Threads = next.Threads.With(thread, before + next.Threads[thread]) };
        }
    }

    private static string Steps(params ConnectionEndStep[] steps)
        => string.Concat(steps.Where(step => step != Nothing).Select(step => (char)step));

    private static ConnectionEndModel Queue(ConnectionEndModel model, params ConnectionEndStep[] steps)
        => model with { Threads = model.Threads.With(Pool, model.Threads[Pool] + Steps(steps)) };

    private IEnumerable<(ConnectionEndModel Model, string Steps)> Run(ConnectionEndModel model, ConnectionEndStep step)
    {
        switch (step)
        {
            case AwaitRegistered when !model.Has(Registered):
            case AwaitStarted when model.Threads.Acceptor.Length > 0:
            case AwaitFinish when !model.Has(Finished):
            case Watch when model.Has(InputBusy):
                return [];
            case Announce:
                return RunAnnounce(model);
            case LookForAbort:
                // Whether the socket lingers depends on what the peer sent.
                return model.End.Has(ConnectionEndFlags.Aborted)
                    ? [(model, Steps(StopHalves, Announce))]
                    : [(model, Steps(StopHalves, Announce)), (model, Steps(StopHalvesAndLinger, Announce))];
            default:
                return [RunOne(model, step)];
        }
    }

    private IEnumerable<(ConnectionEndModel Model, string Steps)> RunAnnounce(ConnectionEndModel model)
    {
        var (end, action) = transitions.Begin(model.End, ConnectionEndFlags.Announcing, ConnectionEndAction.Announce);
        var next = model with { End = end };
        return action != ConnectionEndAction.Announce
            ? [(next, "")]
            : [
                (next, Steps(Fire, EndAnnounce)),
                (Queue(next, Fire, EndAnnounce), ""),
            ];
    }

    private (ConnectionEndModel Model, string Steps) RunOne(ConnectionEndModel model, ConnectionEndStep step)
        => step < GiveReason ? RunInput(model, step)
            : step < BeginDispose ? RunAbort(model, step)
            : step < Send ? RunDispose(model, step)
            : step < Borrow ? RunOutput(model, step)
            : RunClose(model, step);

    private static (ConnectionEndModel Model, string Steps) RunInput(ConnectionEndModel model, ConnectionEndStep step)
    {
        switch (step)
        {
            case Register:
                return (model.With(Registered), "");
            case SetToken:
                return (model.With(TokenKnown), "");
            case PeerFinishes:
                return (model.With(PeerFinished), "");
            case PeerResets:
                return (model.With(PeerReset), "");
            case AnnounceIfCompleted:
                return (model, model.Has(InputCompleted) ? Steps(Announce) : "");
            case BeginReceive or Watch:
                return model.Has(InputBusy | InputStopped | InputClosing | InputCompleted | InputEnded)
                    ? (model, "")
                    : (model.With(InputBusy), Steps(Receive, EndReceive));
            case Receive:
                return (model.Call().With(InputEnded), "");
            case EndReceive:
                var releases = model.Has(InputStopped);
                var next = model.Without(InputBusy);
                return (releases ? next.Once(InputReleased) : next, Steps(releases ? Release : Nothing, OnInputEnded));
            case OnInputEnded:
                return (model, model.Has(PeerReset) ? Steps(StopHalves, Announce) : Steps(StopIfAborted, Announce));
            case StopIfAborted:
                return (model, model.End.Has(ConnectionEndFlags.Aborted) ? Steps(StopHalves) : "");
            default:
                return (model, "");
        }
    }

    private (ConnectionEndModel Model, string Steps) RunAbort(ConnectionEndModel model, ConnectionEndStep step)
    {
        switch (step)
        {
            case GiveReason or GiveReasonToReset when model.Has(ReasonGiven):
                return (model, "");
            case GiveReason:
                return (model.With(ReasonGiven), Steps(SetAborted, LookForFin, Announce));
            case GiveReasonToReset:
                return (model.With(ReasonGiven), Steps(SetResets, StopHalves, Announce));
            case SetAborted or SetResets:
                return (model with { End = transitions.Abort(model.End, step == SetResets) }, "");
            case LookForFin:
                return (model, Steps(model.Has(PeerFinished) ? LookForEnd : StopHalves));
            case LookForEnd:
                return (model, Steps(model.Has(InputEnded) ? StopHalves : LookForReader));
            case LookForReader:
                return (model, model.Has(InputCompleted) ? Steps(StopHalves) : Steps(StopOutput, TakeRest));
            default:
                return (Queue(model, Watch), "");
        }
    }

    private (ConnectionEndModel Model, string Steps) RunDispose(ConnectionEndModel model, ConnectionEndStep step)
    {
        switch (step)
        {
            case BeginDispose:
                const ConnectionEndAction complete = ConnectionEndAction.CompletePipes;
                var (end, action) = transitions.Begin(model.End, ConnectionEndFlags.Disposing, complete);
                return (
                    model with { End = end },
                    action == complete ? Steps(CompleteInput, CompleteOutput, EndDispose) : "");
            case CompleteInput:
                return (model.With(InputCompleted), Steps(LookForPeer));
            case LookForPeer:
                return (model, model.Has(PeerFinished | PeerReset) ? Steps(StopIfAborted, Announce) : "");
            case CompleteOutput:
                var completed = model.Once(OutputCompleted);
                return model.Has(OutputStopped) || !model.Has(OutputBusy)
                    ? (completed, Steps(OnOutputDrained))
                    : (completed.With(OutputDraining), "");
            case EndDispose:
                return After(model, transitions.End(model.End, ConnectionEndFlags.Disposed));
            case LookForFinish:
                return model.End.IsFinished
                    ? (model.With(DisposeReturned), "")
                    : (model, Steps(Wait, LookAgainForFinish, AwaitFinish));
            case Wait:
                return (model.With(Waits), "");
            case LookAgainForFinish:
                return (model.End.IsFinished ? model.With(Finished) : model, "");
            default:
                return (model.With(DisposeReturned), "");
        }
    }

    private static (ConnectionEndModel Model, string Steps) RunOutput(ConnectionEndModel model, ConnectionEndStep step)
    {
        switch (step)
        {
            case Send:
                return (model.Has(OutputStopped) ? model : model.Call(), "");
            case EndSend:
                var drains = model.Has(OutputDraining) ? OnOutputDrained : Nothing;
                var next = model.Without(OutputBusy | OutputDraining);
                return model.Has(OutputStopped)
                    ? (next.Once(OutputReleased), Steps(drains, ReleaseOutput))
                    : (next, Steps(drains));
            case OnOutputDrained:
                return (model.Once(OutputDrained).With(InputClosing), Steps(LookForAbort));
            case ReleaseOutput:
                var sendsFin = model.End.Has(ConnectionEndFlags.Aborted) && !model.End.Has(ConnectionEndFlags.Resets);
                return (model, Steps(sendsFin ? ShutDown : Nothing, Release));
            default:
                return (model.Call(), "");
        }
    }

    private (ConnectionEndModel Model, string Steps) RunClose(ConnectionEndModel model, ConnectionEndStep step)
    {
        switch (step)
        {
            case Borrow:
                var (added, isAdded) = transitions.AddReference(model.Descriptor);
                return (model with { Descriptor = added }, isAdded ? Steps(Call, Release) : "");
            case Call:
                return (model.Call(), "");
            case Release:
                var (released, isLast) = transitions.Release(model.Descriptor);
                return (
                    model with { Descriptor = released }, isLast ? Steps(CloseDescriptor, TellOwner, EndClose) : "");
            case StopHalves or StopHalvesAndLinger:
                var (end, action) = transitions.BeginClose(model.End, step == StopHalvesAndLinger);
                return (
                    model with { End = end },
                    action == ConnectionEndAction.StopHalves ? Steps(StopInput, StopOutput) : "");
            case StopInput when model.Has(InputStopped):
            case StopOutput when model.Has(OutputStopped):
                return (model, "");
            case StopInput:
                return model.Has(InputBusy)
                    ? (model.With(InputStopped), "")
                    : (model.With(InputStopped).Once(InputReleased), Steps(Release));
            case StopOutput:
                return model.Has(OutputBusy)
                    ? (model.With(OutputStopped), "")
                    : (model.With(OutputStopped).Once(OutputReleased), Steps(ReleaseOutput));
            case CloseDescriptor:
                return (Close(model), "");
            case TellOwner:
                return (model.Once(OwnerToldOfConnection), "");
            case EndClose:
                return After(model, transitions.EndClose(model.End));
            case Fire:
                return (model.Once(ClosedFired), "");
            case EndAnnounce:
                return After(model, transitions.End(model.End, ConnectionEndFlags.Announced));
            default:
                return (Complete(model), "");
        }
    }

    private static ConnectionEndModel Close(ConnectionEndModel model)
    {
        var next = model
            .Require(model.Has(TokenKnown), "The descriptor was closed before its token was known")
            .Require(model.Has(InputReleased) && model.Has(OutputReleased), "The descriptor was closed under a half")
            .Require(!model.Has(OwnerToldOfConnection), "The owner heard of the connection before the descriptor")
            .Once(DescriptorClosed);
        return model.End.Has(ConnectionEndFlags.Lingers) ? next : next.Once(OwnerToldOfDescriptor);
    }

    private static ConnectionEndModel Complete(ConnectionEndModel model)
    {
        var next = model
            .Require(model.Has(OwnerToldOfConnection), "The connection finished before its owner heard")
            .Require(model.Has(ClosedFired), "The connection finished before ConnectionClosed fired")
            .Require(model.Has(InputCompleted), "The connection finished before its input was completed")
            .Require(model.Has(OutputCompleted), "The connection finished before its output was completed");
        return model.Has(Waits) ? next.With(Finished) : next;
    }

    private static (ConnectionEndModel Model, string Steps) After(
        ConnectionEndModel model, (ConnectionEndState Next, ConnectionEndAction Action) moved)
        => (model with { End = moved.Next }, Steps(moved.Action == ConnectionEndAction.Finish ? Finish : Nothing));
}
