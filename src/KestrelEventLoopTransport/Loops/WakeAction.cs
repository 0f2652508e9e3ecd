namespace KestrelEventLoopTransport.Loops;

/// <summary>What a thread that has posted work to a loop does next.</summary>
internal enum WakeAction
{
    /// <summary>Nothing: the loop reads the queue before it sleeps.</summary>
    None,

    /// <summary>Wake the loop.</summary>
    Wake,

    /// <summary>Move the work to the thread pool: the loop has ended.</summary>
    MoveToPool,
}
