namespace KestrelEventLoopTransport.Connections.Output;

/// <summary>Why a sender has stopped sending.</summary>
internal enum SendOutcome
{
    /// <summary>All that was committed is sent, or the output was stopped.</summary>
    Sent,

    /// <summary>All that was committed is sent, and the FIN after it.</summary>
    Finished,

    /// <summary>The socket is full.</summary>
    Blocked,

    /// <summary>The sender has made as many system calls as one thread may in a row.</summary>
    OutOfBudget,

    /// <summary>The kernel has no memory for the call.</summary>
    Shortage,

    /// <summary>The call has failed for another reason: the peer is gone.</summary>
    Failed,
}
