namespace KestrelEventLoopTransport.Datagrams;

/// <summary>What the thread does that has moved a <see cref="BacklogWord"/>.</summary>
internal enum BacklogAction
{
    None,

    /// <summary>It sends what is queued, and then ends the flush.</summary>
    Flush,

    /// <summary>It closes the queue.</summary>
    Close,
}
