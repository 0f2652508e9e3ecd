using System.Numerics;
using static KestrelEventLoopTransport.Connections.Output.OutputFlags;

namespace KestrelEventLoopTransport.Connections.Output;

// The transitions of a connection's output: functions from a state to the next state and to what the thread that
// makes the transition must do. They touch nothing else.
//
// The legal states are all combinations of bits that keep these rules, and each of them can occur:
//
//   1. At most one of Sending, Blocked, Deferred. It says which thread sends next: the sender; the loop, at an edge;
//      the thread that clears Deferred.
//   2. HasChain implies Open, Sending, Blocked or Deferred: some thread is bound to send or to free the chain.
//   3. Open, Blocked and Deferred imply HasChain. So does Sending, unless Stopped or Finishing: the thread that stops
//      or finishes an idle output becomes its last sender.
//   4. Again and Edge imply Sending.
//   5. Failed or Stopped exclude Blocked and Deferred. Failed excludes Sending unless Stopped; a chain that is there
//      then is Open, or the writer has committed it since, which sets Again.
//   6. Released is set exactly when Stopped is set and Sending is not.
//   7. Draining excludes Open, Failed and Finished. It implies HasChain, Finishing, or Sending and Stopped together:
//      the thread that was about to send the FIN reports the drain.
//   8. FlushParked excludes FlushReady, FlushCanceled, TokenCanceled, TimedOut, FlushTimedOut and Failed.
//   9. Finishing implies one of Sending, Blocked, Deferred: some thread is bound to send the FIN. It excludes Open,
//      Failed, Stopped and Finished.
//  10. Finished excludes HasChain, Failed, FlushParked and, unless Stopped, Sending: nothing follows the FIN.
//
// Queued needs no rule: a work item that finds nothing to do does no harm.
internal static class OutputTransitions
{
    private const OutputFlags NextSender = Sending | Blocked | Deferred;
    private const OutputFlags Canceled = FlushCanceled | TokenCanceled | FlushTimedOut;

    internal static bool IsLegal(OutputFlags flags)
        => BitOperations.PopCount((uint)(flags & NextSender)) <= 1
            && (!Has(flags, HasChain) || Has(flags, Open | NextSender))
            && (!Has(flags, Open | Blocked | Deferred) || Has(flags, HasChain))
            && (!Has(flags, Sending) || Has(flags, HasChain | Stopped | Finishing))
            && (!Has(flags, Again | Edge) || Has(flags, Sending))
            && (!Has(flags, Failed | Stopped) || !Has(flags, Blocked | Deferred))
            && (!Has(flags, Failed) || !Has(flags, Sending)
                || (Has(flags, Stopped) && (!Has(flags, HasChain) || Has(flags, Open | Again))))
            && Has(flags, Released) == (Has(flags, Stopped) && !Has(flags, Sending))
            && (!Has(flags, Draining) || (!Has(flags, Open | Failed | Finished)
                && (Has(flags, HasChain | Finishing) || (Has(flags, Sending) && Has(flags, Stopped)))))
            && (!Has(flags, FlushParked) || !Has(flags, FlushReady | Canceled | TimedOut | Failed))
            && (!Has(flags, Finishing) || (Has(flags, NextSender) && !Has(flags, Open | Failed | Stopped | Finished)))
            && (!Has(flags, Finished)
                || (!Has(flags, HasChain | Failed | FlushParked) && (!Has(flags, Sending) || Has(flags, Stopped))));

    /// <summary>
    /// The writer wants to append to the chain that is there. Without one, nothing changes, and nothing will until the
    /// writer has started one: only the writer does that.
    /// </summary>
    internal static OutputMove ReopenChain(OutputFlags flags)
        => new(flags, Has(flags, HasChain) ? flags | Open : flags);

    /// <summary>The writer has started a chain.</summary>
    internal static OutputMove OpenChain(OutputFlags flags) => new(flags, flags | Open | HasChain);

    /// <summary>The writer has committed what it wrote.</summary>
    internal static OutputMove Publish(OutputFlags flags, Deferral deferral)
    {
        var next = flags & ~Open;
        if (Has(flags, Sending))
        {
            return new(flags, next | Again);
        }

        if (Has(flags, Stopped | Failed))
        {
            return new(flags, next & ~HasChain, Has(flags, HasChain) ? OutputAction.FreeChain : OutputAction.None);
        }

        if (Has(flags, Blocked) || !Has(flags, HasChain))
        {
            return new(flags, next);
        }

        return deferral switch
        {
            Deferral.None => new(flags, (next & ~Deferred) | Sending, OutputAction.Send),
            Deferral.Cork => new(flags, next | Deferred),
            _ => new(flags, next | Deferred | Queued, QueueUnless(flags, Queued)),
        };
    }

    /// <summary>The loop saw an edge: the socket is writable.</summary>
    internal static OutputMove OnWritable(OutputFlags flags)
        => Has(flags, Blocked) ? new(flags, (flags & ~Blocked) | Sending, OutputAction.Send)
            : new(flags, Has(flags, Sending) ? flags | Edge : flags);

    /// <summary>What is deferred is to be sent now.</summary>
    internal static OutputMove Uncork(OutputFlags flags)
        => Has(flags, Deferred)
            ? new(flags, (flags & ~Deferred) | Sending, OutputAction.Send)
            : new(flags, flags);

    /// <summary>The work item runs: it sends what is deferred and completes the flush that is ready.</summary>
    internal static OutputMove TakeWork(OutputFlags flags)
    {
        var (_, next, action) = Uncork(flags);
        return new(
            flags, next & ~(Queued | FlushReady), action | (Has(flags, FlushReady) ? OutputAction.CompleteFlush : 0));
    }

    /// <summary>The sender stops sending, or continues because of what has happened meanwhile.</summary>
    /// <param name="flags">The state now.</param>
    /// <param name="outcome">Why it stops.</param>
    /// <param name="hasRoom">Whether so little is unsent that a flush need not wait any longer.</param>
    /// <param name="completesFlush">Whether a flush may be completed on this thread.</param>
    internal static OutputMove EndSend(OutputFlags flags, SendOutcome outcome, bool hasRoom, bool completesFlush)
    {
        var left = flags & ~(Sending | Again | Edge);
        if (Has(flags, Stopped))
        {
            // A flush that waits is released later: see ReleaseFlushLater.
            return EndChain(new(flags, left | Released, OutputAction.ReleaseDescriptor));
        }

        switch (outcome)
        {
            case SendOutcome.Sent when Has(flags, Again | Finishing):
                return new(flags, flags & ~Again, OutputAction.Send);
            case SendOutcome.Finished:
                var finished = (left & ~Finishing) | Finished;
                return ReleaseFlushIf(
                    true, EndChain(new(flags, finished, OutputAction.ReportFinished)), completesFlush);
            case SendOutcome.Blocked when Has(flags, Edge):
                return new(flags, flags & ~(Edge | Again), OutputAction.Send);
            case SendOutcome.Blocked:
                return ReleaseFlushIf(hasRoom, new(flags, left | Blocked), completesFlush);
            case SendOutcome.OutOfBudget:
                return new(flags, left | Deferred | Queued, QueueUnless(flags, Queued));
            case SendOutcome.Shortage:
                return new(flags, left | Deferred, OutputAction.RetryLater);
            case SendOutcome.Failed:
                var failed = (left & ~Finishing) | Failed;
                return ReleaseFlushIf(
                    true, EndChain(new(flags, failed, OutputAction.ReportFailure)), completesFlush);
            default:
                return ReleaseFlushIf(hasRoom, EndChain(new(flags, left)), completesFlush);
        }
    }

    /// <summary>
    /// The writer wants its flush to wait, unless there is no reason to, or no longer any. A flush that would have to
    /// wait after its deadline ends because of it.
    /// </summary>
    /// <param name="flags">The state now.</param>
    /// <param name="isFull">Whether so much is unsent that the flush has to wait.</param>
    internal static OutputMove ParkFlush(OutputFlags flags, bool isFull)
        => new(
            flags,
            !isFull || Has(flags, Stopped | Failed | Canceled) ? flags
                : Has(flags, TimedOut) ? flags | FlushTimedOut
                : flags | FlushParked);

    /// <summary>The write deadline has passed. A flush that waits ends because of it.</summary>
    internal static OutputMove Expire(OutputFlags flags)
    {
        var isParked = Has(flags, FlushParked);
        return ReleaseFlushIf(
            true, new(flags, flags | TimedOut | (isParked ? FlushTimedOut : 0)), completesFlush: false);
    }

    /// <summary>The write deadline has been moved. A flush that it has ended stays ended.</summary>
    internal static OutputMove Revive(OutputFlags flags) => new(flags, flags & ~TimedOut);

    /// <summary>A flush that waits completes. The next one ends as canceled if no flush waits.</summary>
    /// <param name="flags">The state now.</param>
    /// <param name="cancellation">The bit that says how the flush was canceled, or none.</param>
    internal static OutputMove ReleaseFlush(OutputFlags flags, OutputFlags cancellation)
        => ReleaseFlushIf(true, new(flags, flags | cancellation), completesFlush: false);

    /// <summary>A flush returns, and with it what canceled it or ended its wait.</summary>
    internal static OutputMove TakeCancellation(OutputFlags flags) => new(flags, flags & ~Canceled);

    /// <summary>
    /// The token or the deadline that ended a flush was that of one whose result the application has not taken.
    /// </summary>
    internal static OutputMove ForgetToken(OutputFlags flags) => new(flags, flags & ~(TokenCanceled | FlushTimedOut));

    /// <summary>
    /// The writer has finished: a FIN follows what it has committed. Without a sender, the calling thread becomes it.
    /// </summary>
    internal static OutputMove BeginFinish(OutputFlags flags)
        => Has(flags, Stopped | Failed) ? new(flags, flags)
            : Has(flags, NextSender) ? new(flags, flags | Finishing)
            : new(flags, flags | Finishing | Sending, OutputAction.Send);

    /// <summary>The writer is completed.</summary>
    internal static OutputMove BeginDrain(OutputFlags flags)
        => !Has(flags, Stopped | Failed) && Has(flags, NextSender)
            ? new(flags, flags | Draining)
            : new(flags, flags, OutputAction.ReportDrained);

    /// <summary>
    /// The connection is aborted or closed. Without a sender, the calling thread becomes the last one, which sends
    /// nothing: <see cref="EndSend"/> is the only way to <see cref="Released"/>.
    /// </summary>
    internal static OutputMove Stop(OutputFlags flags)
    {
        if (Has(flags, Stopped))
        {
            return new(flags, flags);
        }

        return new(
            flags,
            (flags & ~(Blocked | Deferred | Finishing)) | Stopped | Sending,
            (Has(flags, Sending) ? 0 : OutputAction.Send)
                | (Has(flags, FlushParked) ? OutputAction.ReleaseFlushLater : 0));
    }

    /// <summary>Everything is sent or dropped.</summary>
    private static OutputMove EndChain(OutputMove move)
    {
        var (before, after, action) = move;
        if ((before & (HasChain | Open)) == HasChain)
        {
            after &= ~HasChain;
            action |= OutputAction.FreeChain;
        }

        return Has(before, Draining)
            ? new(before, after & ~Draining, action | OutputAction.ReportDrained)
            : new(before, after, action);
    }

    private static OutputMove ReleaseFlushIf(bool hasRoom, OutputMove move, bool completesFlush)
    {
        if (!hasRoom || !Has(move.Before, FlushParked))
        {
            return move;
        }

        var after = move.After & ~FlushParked;
        return completesFlush
            ? new(move.Before, after, move.Action | OutputAction.CompleteFlush)
            : new(move.Before, after | FlushReady, move.Action | OutputAction.QueueWork);
    }

    private static OutputAction QueueUnless(OutputFlags flags, OutputFlags bits)
        => Has(flags, bits) ? OutputAction.None : OutputAction.QueueWork;

    private static bool Has(OutputFlags flags, OutputFlags bits) => (flags & bits) != 0;
}
