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
        bool disposesTwice = false,
        bool halfCloses = false,
        bool finishes = false,
        bool takesToken = false,
        bool resetsLater = false)
        => new(
            default,
            transitions.References,
            (sends ? OutputBusy : default) | (halfCloses ? HalfCloses : default),
            new(
                Steps(Register, SetToken, transitions.References > 2 ? Release : Nothing),
                (peer == Nothing ? default : Steps(AwaitRegistered, peer, BeginReceive, AnnounceIfCompleted))
                    + (resetsLater ? Steps(PeerResets, IsOver, BeginReceive, AnnounceIfCompleted) : default),
                abort == Nothing ? default : Steps(AwaitStarted, abort),
                disposes ? Steps(AwaitStarted, BeginDispose, LookForFinish) : default,
                sends ? Steps(AwaitStarted, Send, EndSend) : finishes ? Steps(AwaitStarted, BeginFin) : default,
                borrows ? Steps(AwaitStarted, Borrow)
                    : takesToken ? Steps(AwaitStarted, TakeToken)
                    : disposesTwice ? Steps(AwaitStarted, BeginDispose, LookForFinish)
                    : default,
                default),
            null);

    /// <summary>What a thread's next step leads to. Nothing while it waits.</summary>
    internal IEnumerable<ConnectionEndModel> Next(ConnectionEndModel model, int thread)
    {
        var steps = model.Threads[thread];
        if (steps.IsEmpty)
        {
            yield break;
        }

        var rest = model with { Threads = model.Threads.With(thread, steps.Rest) };
        foreach (var (next, before) in Run(rest, steps.Next))
        {
            yield return next with { Threads = next.Threads.With(thread, before + next.Threads[thread]) };
        }
    }

    private static EndSteps Steps(params ReadOnlySpan<ConnectionEndStep> steps) => new(steps);

    private static ConnectionEndModel Queue(ConnectionEndModel model, params ReadOnlySpan<ConnectionEndStep> steps)
        => model with { Threads = model.Threads.With(Pool, model.Threads[Pool] + Steps(steps)) };

    private IEnumerable<(ConnectionEndModel Model, EndSteps Steps)> Run(
        ConnectionEndModel model, ConnectionEndStep step)
    {
        switch (step)
        {
            case AwaitRegistered when !model.Has(Registered):
            case AwaitStarted when !model.Threads.Acceptor.IsEmpty:
            case AwaitFinish when !model.Has(Finished):
            case Watch when model.Has(InputBusy):
                return [];
            case Announce:
                const ConnectionEndAction announce = ConnectionEndAction.Announce;
                return [Follow(model, transitions.Begin(model.End, ConnectionEndFlags.Announcing, announce))];
            case AnnounceNow:
                return [(model, Steps(Fire, EndAnnounce)), (Queue(model, Fire, EndAnnounce), default)];
            case LookForAbort:
                // Whether the socket lingers depends on what the peer sent.
                return model.End.Has(ConnectionEndFlags.Aborted)
                    ? [(model, Steps(StopHalves, Announce))]
                    : [(model, Steps(StopHalves, Announce)), (model, Steps(StopHalvesAndLinger, Announce))];
            default:
                return [RunOne(model, step)];
        }
    }

    private static (ConnectionEndModel Model, EndSteps Steps) Follow(
        ConnectionEndModel model, (ConnectionEndState Next, ConnectionEndAction Action) moved)
    {
        var stops = (moved.Action & ConnectionEndAction.StopHalves) != 0;
        var tells = (moved.Action & ConnectionEndAction.TellPeerFinished) != 0;
        var announces = (moved.Action & ConnectionEndAction.Announce) != 0;
        return (
            model with { End = moved.Next },
            Steps(
                stops ? StopInput : Nothing,
                stops ? StopOutput : Nothing,
                tells ? QueueToken : Nothing,
                announces ? AnnounceNow : Nothing));
    }

    private (ConnectionEndModel Model, EndSteps Steps) RunOne(ConnectionEndModel model, ConnectionEndStep step)
        => step < GiveReason ? RunInput(model, step)
            : step < BeginDispose ? RunAbort(model, step)
            : step < Send ? RunDispose(model, step)
            : step < Borrow ? RunOutput(model, step)
            : RunClose(model, step);

    private (ConnectionEndModel Model, EndSteps Steps) RunInput(ConnectionEndModel model, ConnectionEndStep step)
    {
        switch (step)
        {
            case Register:
                return (model.With(Registered), default);
            case SetToken:
                return (model.With(TokenKnown), default);
            case PeerFinishes:
                return (model.With(PeerFinished), default);
            case PeerResets:
                return (model.With(PeerReset), default);
            case AnnounceIfCompleted:
                return (model, model.Has(InputCompleted) ? Steps(StopIfAborted, OnEndKnown) : default);
            case IsOver:
                return (model, model.Has(HalfCloses) ? Steps(EndSending) : default);
            case OnEndKnown:
                return (
                    model,
                    Steps(
                        model.Has(PeerFinished) ? FinishPeer : Nothing,
                        model.Has(PeerReset) ? Announce : Nothing));
            case FinishPeer:
                return Finishes(model, isReceived: false);
            case BeginReceive or Watch:
                return model.Has(InputBusy | InputStopped | InputClosing | InputCompleted | InputEnded)
                    ? (model, default)
                    : (model.With(InputBusy), Steps(Receive, EndReceive));
            case Receive:
                return (model.Call().With(InputEnded), default);
            case EndReceive:
                var releases = model.Has(InputStopped);
                var next = model.Without(InputBusy);
                return (releases ? next.Once(InputReleased) : next, Steps(releases ? Release : Nothing, OnInputEnded));
            case OnInputEnded:
                // After the FIN, a reset is only in the event.
                return model.Has(PeerFinished) && !model.End.Has(ConnectionEndFlags.Aborted)
                    ? Finishes(model, isReceived: true)
                    : (model, Steps(StopHalves, Announce));
            case StopIfAborted:
                return (model, model.End.Has(ConnectionEndFlags.Aborted) ? Steps(StopHalves) : default);
            default:
                return (model, default);
        }
    }

    private (ConnectionEndModel Model, EndSteps Steps) RunAbort(ConnectionEndModel model, ConnectionEndStep step)
    {
        switch (step)
        {
            case >= GiveReason and <= GiveReasonOfLimitForASecond when model.Has(ReasonGiven):
                return (model, default);
            case GiveReasonOfLimit:
                return (model.With(ReasonGiven), Steps(Expire));
            case GiveReasonOfLimitForASecond:
                return (model.With(ReasonGiven), Steps(Expire, StopIfExpired));
            case Expire:
                var (expired, follow) = Follow(model, transitions.Expire(model.End, false));
                return (expired, Steps(StopOutput) + follow);
            case StopIfExpired:
                return (model, model.End.Has(ConnectionEndFlags.Expired) ? Steps(StopHalves) : default);
            case GiveReason:
                return (model.With(ReasonGiven), Steps(SetAborted, LookForFin, Announce));
            case GiveReasonToReset:
                return (model.With(ReasonGiven), Steps(SetResets, StopHalves, Announce));
            case SetAborted or SetResets:
                return (model with { End = transitions.Abort(model.End, step == SetResets) }, default);
            case LookForFin:
                return (model, Steps(model.Has(PeerFinished | PeerReset) ? LookForEnd : StopHalves));
            case LookForEnd:
                return (model, Steps(model.Has(InputEnded) ? StopHalves : LookForReader));
            case LookForReader:
                return (model, model.Has(InputCompleted) ? Steps(StopHalves) : Steps(StopOutput, TakeRest));
            default:
                return (Queue(model, Watch), default);
        }
    }

    private (ConnectionEndModel Model, EndSteps Steps) RunDispose(ConnectionEndModel model, ConnectionEndStep step)
    {
        switch (step)
        {
            case BeginDispose:
                const ConnectionEndAction complete = ConnectionEndAction.CompletePipes;
                var (end, action) = transitions.Begin(model.End, ConnectionEndFlags.Disposing, complete);
                return (
                    model with { End = end },
                    action == complete ? Steps(CompleteInput, CompleteOutput, EndDispose) : default);
            case CompleteInput:
                return (model.With(InputCompleted), Steps(LookForPeer));
            case LookForPeer:
                return (model, model.Has(PeerFinished | PeerReset) ? Steps(StopIfAborted, OnEndKnown) : default);
            case CompleteOutput:
                var completed = model.Once(OutputCompleted);
                return model.Has(OutputStopped) || !model.Has(OutputBusy)
                    ? (completed, Steps(OnOutputDrained))
                    : (completed.With(OutputDraining), default);
            case EndDispose:
                return After(model, transitions.End(model.End, ConnectionEndFlags.Disposed));
            case LookForFinish:
                return model.End.IsFinished
                    ? (model.With(DisposeReturned), default)
                    : (model, Steps(Wait, LookAgainForFinish, AwaitFinish));
            case Wait:
                return (model.With(Waits), default);
            case LookAgainForFinish:
                return (model.End.IsFinished ? model.With(Finished) : model, default);
            default:
                return (model.With(DisposeReturned), default);
        }
    }

    private (ConnectionEndModel Model, EndSteps Steps) Finishes(ConnectionEndModel model, bool isReceived)
        => Follow(model, transitions.FinishPeer(model.End, isReceived, !model.Has(HalfCloses)));

    private (ConnectionEndModel Model, EndSteps Steps) RunOutput(
        ConnectionEndModel model, ConnectionEndStep step)
    {
        switch (step)
        {
            case Send:
                return (model.Has(OutputStopped) ? model : model.Call(), default);
            case BeginFin:
                return model.Has(OutputBusy | OutputStopped | OutputCompleted)
                    ? (model, default)
                    : (model.With(OutputBusy), Steps(Send, EndFin));
            case EndSending:
                return Follow(model, transitions.EndSending(model.End));
            case EndSend or EndFin:
                var drains = model.Has(OutputDraining) ? OnOutputDrained : Nothing;
                var next = model.Without(OutputBusy | OutputDraining);
                return model.Has(OutputStopped)
                    ? (next.Once(OutputReleased), Steps(drains, ReleaseOutput))
                    : (next, Steps(step == EndFin ? EndSending : Nothing, drains));
            case OnOutputDrained:
                return (model.Once(OutputDrained).With(InputClosing), Steps(LookForAbort));
            case ReleaseOutput:
                var waits = model.End.Has(ConnectionEndFlags.Expired) && model.End.Phase == ConnectionPhase.Open;
                var sendsFin = model.End.Has(ConnectionEndFlags.Aborted) && !model.End.Has(ConnectionEndFlags.Resets)
                    && !waits;
                return (model, Steps(sendsFin ? ShutDown : Nothing, Release));
            default:
                return (model.Call(), default);
        }
    }

    private (ConnectionEndModel Model, EndSteps Steps) RunClose(ConnectionEndModel model, ConnectionEndStep step)
    {
        switch (step)
        {
            case Borrow:
                var (added, isAdded) = transitions.AddReference(model.Descriptor);
                return (model with { Descriptor = added }, isAdded ? Steps(Call, Release) : default);
            case Call:
                return (model.Call(), default);
            case Release:
                var (released, isLast) = transitions.Release(model.Descriptor);
                return (
                    model with { Descriptor = released },
                    isLast ? Steps(CloseDescriptor, TellOwner, EndClose) : default);
            case StopHalves or StopHalvesAndLinger:
                var (end, action) = transitions.BeginClose(model.End, step == StopHalvesAndLinger);
                return (
                    model with { End = end },
                    action == ConnectionEndAction.StopHalves ? Steps(StopInput, StopOutput) : default);
            case StopInput when model.Has(InputStopped):
            case StopOutput when model.Has(OutputStopped):
                return (model, default);
            case StopInput:
                return model.Has(InputBusy)
                    ? (model.With(InputStopped), default)
                    : (model.With(InputStopped).Once(InputReleased), Steps(Release));
            case StopOutput:
                return model.Has(OutputBusy)
                    ? (model.With(OutputStopped), default)
                    : (model.With(OutputStopped).Once(OutputReleased), Steps(ReleaseOutput));
            case CloseDescriptor:
                return (Close(model), default);
            case TellOwner:
                return (model.Once(OwnerToldOfConnection), default);
            case EndClose:
                return After(model, transitions.EndClose(model.End));
            case Fire:
                return (
                    model
                        .Require(
                            !model.Has(HalfCloses) || model.Has(ReasonGiven | OutputDrained | PeerReset)
                                || model.End.Has(ConnectionEndFlags.SendingEnded),
                            "ConnectionClosed fired at a FIN")
                        .Once(ClosedFired),
                    default);
            case EndAnnounce:
                var moved = transitions.End(model.End, ConnectionEndFlags.Announced);
                var (announced, stop) = Follow(model, moved);
                var (finished, finish) = After(announced, moved);
                return (finished, stop + finish);
            case TakeToken:
                return (model with { End = transitions.TakeToken(model.End) }, default);
            case QueueToken:
                return (Queue(model, FireToken, EndFireToken), default);
            case FireToken:
                return (model.Once(ConnectionEndFacts.TokenFired), default);
            case EndFireToken:
                return After(model, transitions.End(model.End, ConnectionEndFlags.TokenFired));
            default:
                return (Complete(model), default);
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
            .Require(
                !IsTokenDue(model) || model.Has(ConnectionEndFacts.TokenFired),
                "The connection finished before the callbacks of PeerFinished ran")
            .Require(model.Has(InputCompleted), "The connection finished before its input was completed")
            .Require(model.Has(OutputCompleted), "The connection finished before its output was completed");
        return model.Has(Waits) ? next.With(Finished) : next;
    }

    /// <summary>Whether the application has taken the token before the FIN was known.</summary>
    internal static bool IsTokenDue(ConnectionEndModel model)
        => model.End.HasAll(ConnectionEndFlags.PeerFinished | ConnectionEndFlags.TokenTaken);

    private static (ConnectionEndModel Model, EndSteps Steps) After(
        ConnectionEndModel model, (ConnectionEndState Next, ConnectionEndAction Action) moved)
        => (model with { End = moved.Next }, Steps(moved.Action == ConnectionEndAction.Finish ? Finish : Nothing));
}
