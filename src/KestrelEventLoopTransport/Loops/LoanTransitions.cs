namespace KestrelEventLoopTransport.Loops;

/// <summary>How a <see cref="LoanState"/> changes. A move that is not possible leaves the state as it is.</summary>
/// <remarks>
/// The loop's thread lends and reclaims. A thread of the pool starts, and then queues or returns. There is at most one
/// work item: in <see cref="LoanState.Queued"/> and <see cref="LoanState.Reclaimed"/> one is in the pool or about to
/// be, else there is none.
/// </remarks>
internal static class LoanTransitions
{
    /// <summary>The loop's thread lends the loop. Not while the pool still has a work item.</summary>
    internal static LoanState Lend(LoanState state) => state == LoanState.Home ? LoanState.Queued : state;

    /// <summary>The work item runs. It runs a turn only if the result is <see cref="LoanState.Running"/>.</summary>
    internal static LoanState Start(LoanState state) => state switch
    {
        LoanState.Queued => LoanState.Running,
        LoanState.Reclaimed => LoanState.Home,
        _ => state,
    };

    /// <summary>A turn has ended, and the next one is queued.</summary>
    internal static LoanState Requeue(LoanState state) => state == LoanState.Running ? LoanState.Queued : state;

    /// <summary>A turn has ended, and the loop goes home.</summary>
    internal static LoanState Return(LoanState state) => state == LoanState.Running ? LoanState.Home : state;

    /// <summary>The loop's thread takes the loop back before the pool has come to it.</summary>
    internal static LoanState Reclaim(LoanState state) => state == LoanState.Queued ? LoanState.Reclaimed : state;
}
