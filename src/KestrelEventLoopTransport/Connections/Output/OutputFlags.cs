namespace KestrelEventLoopTransport.Connections.Output;

/// <summary>
/// The state of a connection's output. <see cref="OutputTransitions"/> lists the legal combinations.
/// </summary>
[Flags]
internal enum OutputFlags
{
    None = 0,

    /// <summary>The writer appends to the chain. Set when it asks for memory, cleared by its next flush.</summary>
    Open = 1,

    /// <summary>There is a chain of segments. The thread that clears this bit frees the chain.</summary>
    HasChain = 2,

    /// <summary>
    /// One thread, the sender, makes system calls. The descriptor stays open until this bit is cleared.
    /// </summary>
    Sending = 4,

    /// <summary>The writer has committed more while a thread was sending.</summary>
    Again = 8,

    /// <summary>The socket became writable while a thread was sending.</summary>
    Edge = 16,

    /// <summary>The socket is full. The loop continues to send at the next edge.</summary>
    Blocked = 32,

    /// <summary>
    /// Committed bytes wait for the end of a dispatch, for the reader to run out of input, for queued work, or for a
    /// retry. The thread that clears this bit sends them.
    /// </summary>
    Deferred = 64,

    /// <summary>A work item is queued that sends what is deferred.</summary>
    Queued = 128,

    /// <summary>
    /// A flush waits. The thread that clears this bit completes the flush, or sets <see cref="FlushReady"/>.
    /// </summary>
    FlushParked = 256,

    /// <summary>A work item is queued that completes the flush.</summary>
    FlushReady = 512,

    /// <summary>The pending or next flush ends as canceled. Cleared by the writer when a flush returns that.</summary>
    FlushCanceled = 1024,

    /// <summary>The writer is completed, and the connection closes as soon as everything is sent.</summary>
    Draining = 2048,

    /// <summary>A send has failed: the peer is gone. Set for good; unsent bytes are dropped.</summary>
    Failed = 4096,

    /// <summary>The connection is aborted or closed. Set for good; unsent bytes are dropped.</summary>
    Stopped = 8192,

    /// <summary>No system call is running and none will be made. Set for good.</summary>
    Released = 16384,

    /// <summary>The cancellation token of the pending flush was canceled. Cleared by the writer.</summary>
    TokenCanceled = 32768,

    /// <summary>The writer has finished, and a FIN follows its last byte. The sender sends it.</summary>
    Finishing = 65536,

    /// <summary>The FIN is sent. Set for good.</summary>
    Finished = 131072,

    /// <summary>The write deadline has passed. Cleared when the deadline is moved.</summary>
    TimedOut = 262144,

    /// <summary>The pending flush ends because of the write deadline. Cleared by the writer.</summary>
    FlushTimedOut = 524288,
}
