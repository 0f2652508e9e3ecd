namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>Something whose application code a loop or its pool runs.</summary>
internal interface IDispatchTarget
{
    /// <summary>
    /// The application code has been running for about a millisecond and has not returned: what waits for its end
    /// should wait no longer. Called by the supervisor's thread, again and again while it lasts, but only once more
    /// when the thread has lost its loop, and now and then just after the end. Called by the thread itself before it
    /// runs other application code inside.
    /// </summary>
    void OnOverdue();

    /// <summary>Names whose code it is, for the log.</summary>
    string Describe();
}
