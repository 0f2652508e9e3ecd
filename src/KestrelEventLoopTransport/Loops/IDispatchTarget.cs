namespace KestrelEventLoopTransport.Loops;

/// <summary>Something whose application code a loop or the thread pool runs.</summary>
internal interface IDispatchTarget
{
    /// <summary>
    /// The application code has been running for about a millisecond and has not returned. What waits for its end
    /// should wait no longer. May be called from the supervisor thread, any number of times, and also shortly
    /// <em>after</em> the callback has returned: implementations must tolerate that. After the loop has been handed off
    /// it is called exactly once. It is also called on the running thread before a nested callback starts.
    /// </summary>
    void OnOverdue();

    /// <summary>Names the target, for the log.</summary>
    string Describe();
}
