namespace KestrelEventLoopTransport.Connections.Output;

/// <summary>What a thread must do because of the transition that it made.</summary>
[Flags]
internal enum OutputAction
{
    None = 0,

    /// <summary>Send what is committed: the thread is the sender now, or still.</summary>
    Send = 1,

    /// <summary>Free the chain of segments.</summary>
    FreeChain = 2,

    /// <summary>Queue the work item that sends what is deferred and completes the flush.</summary>
    QueueWork = 4,

    /// <summary>Send again a little later. The kernel was short of memory, and no edge comes for that.</summary>
    RetryLater = 8,

    /// <summary>Complete the flush that waited, on this thread.</summary>
    CompleteFlush = 16,

    /// <summary>Release the flush that waits, a little later.</summary>
    ReleaseFlushLater = 32,

    /// <summary>Tell the connection that the send has failed.</summary>
    ReportFailure = 64,

    /// <summary>Tell the connection that everything was sent or dropped.</summary>
    ReportDrained = 128,

    /// <summary>Tell the connection that the output no longer uses the descriptor.</summary>
    ReleaseDescriptor = 256,

    /// <summary>Tell the connection that the FIN is sent.</summary>
    ReportFinished = 512,
}
