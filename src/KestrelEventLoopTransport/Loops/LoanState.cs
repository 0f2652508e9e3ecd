namespace KestrelEventLoopTransport.Loops;

/// <summary>Where a loop is that may be lent to the thread pool.</summary>
internal enum LoanState
{
    /// <summary>The loop's thread runs it.</summary>
    Home,

    /// <summary>
    /// A work item for the next turn is in the thread pool, or about to be. The loop's thread waits.
    /// </summary>
    Queued,

    /// <summary>A thread of the pool runs a turn. The loop's thread waits.</summary>
    Running,

    /// <summary>
    /// The loop's thread runs it: it has reclaimed the loop, because the pool did not come to the work item. The item
    /// has not run yet.
    /// </summary>
    Reclaimed,
}
