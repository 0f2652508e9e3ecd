namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// What loops, and threads that run their callbacks, need to know of what watches them. Any thread may call.
/// </summary>
internal interface ILoopSupervisor
{
    /// <summary>
    /// Whether every loop could be handed to another thread right now. If not, application code must not run on loops
    /// that are handed off: a loop whose thread got stuck would stay stuck.
    /// </summary>
    bool CanHandOffAll { get; }

    /// <summary>
    /// Called when application code begins or is left to the thread pool, after that is visible to the supervisor.
    /// Costs a read, unless the supervisor is half-awake.
    /// </summary>
    void EnsureAwake();

    /// <summary>
    /// Called by a loop between two callbacks. Costs a read and one of the clock, unless the loop is to look after the
    /// others in the supervisor's place.
    /// </summary>
    void OnProgress();

    /// <summary>Called by a thread that has lost its loop, when its application code has returned.</summary>
    /// <param name="since">The timestamp at which that code began.</param>
    void OnStuckReturned(long since);
}
