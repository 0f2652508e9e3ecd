using System.Diagnostics;
using static KestrelEventLoopTransport.Framing.Connections.TurnFlags;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>The transitions of a <see cref="TurnState"/>, which lists its legal states.</summary>
internal static class TurnTransitions
{
    internal static bool IsLegal(TurnFlags flags)
        => (flags & Taken) != 0
            ? (flags & (LoopWaits | Queued)) != (LoopWaits | Queued)
            : (flags & LoopWaits) == 0 && ((flags & Due) == 0 || (flags & Queued) != 0);

    /// <summary>The reading loop asks for the turn. It does not wait.</summary>
    internal static bool TryEnter(TurnFlags before, out TurnFlags after)
    {
        after = before | Taken;
        return (before & Taken) == 0;
    }

    /// <summary>The reading loop asks for the turn. It waits if the work item has it.</summary>
    internal static TurnMove EnterOrWait(TurnFlags before)
    {
        Debug.Assert((before & LoopWaits) == 0, "There is one reading loop.");
        return TryEnter(before, out var after) ? new(after, TurnAction.Run) : new(before | LoopWaits, TurnAction.Wait);
    }

    /// <summary>The thread that has the turn begins what is due: these flags are gone afterwards.</summary>
    internal static TurnFlags TakeDue(TurnFlags before)
    {
        Debug.Assert((before & Taken) != 0, "Only the thread that has the turn runs what is due.");
        return before & ~Due;
    }

    /// <summary>
    /// The thread that has the turn passes it on: to the reading loop if it waits, so that wakes cannot starve frames.
    /// </summary>
    internal static TurnMove Leave(TurnFlags before)
    {
        Debug.Assert((before & Taken) != 0, "Only the thread that has the turn can pass it on.");
        if ((before & LoopWaits) != 0)
        {
            return new(before & ~LoopWaits, TurnAction.ResumeLoop);
        }

        var after = before & ~Taken;
        return (after & Due) != 0 && (after & Queued) == 0
            ? new(after | Queued, TurnAction.Queue)
            : new(after, TurnAction.None);
    }

    /// <summary>
    /// A tick or a wake becomes due. The party that has the turn runs it, or the work item in the queue.
    /// </summary>
    internal static TurnMove Ask(TurnFlags before, TurnFlags due)
    {
        Debug.Assert(due is WakeDue or TickDue, "One of the two is asked for.");
        return (before & (Taken | Queued)) == 0
            ? new(before | due | Queued, TurnAction.Queue)
            : new(before | due, TurnAction.None);
    }

    /// <summary>What was asked for is not due any more, if it has not begun.</summary>
    internal static TurnFlags Withdraw(TurnFlags before, TurnFlags due) => before & ~due;

    /// <summary>
    /// The work item runs. If the reading loop has the turn, it leaves to it what is due: the loop runs it between two
    /// batches of frames, so that frames cannot starve ticks.
    /// </summary>
    internal static TurnMove Execute(TurnFlags before)
    {
        Debug.Assert((before & Queued) != 0, "The work item was queued.");
        return (before & Taken) == 0 && (before & Due) != 0
            ? new((before | Taken) & ~(Queued | Due), TurnAction.Run)
            : new(before & ~Queued, TurnAction.None);
    }
}
