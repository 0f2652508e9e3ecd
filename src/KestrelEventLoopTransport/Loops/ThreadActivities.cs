namespace KestrelEventLoopTransport.Loops;

/// <summary>The activities that a supervisor watches. Any thread may add and remove.</summary>
internal sealed class ThreadActivities(ILoopSupervisor supervisor)
{
    private readonly Lock _lock = new();
    private ThreadActivity[] _all = [];

    /// <summary>The activities of the moment. The span does not change.</summary>
    internal ReadOnlySpan<ThreadActivity> All => Volatile.Read(ref _all);

    internal ThreadActivity Add()
    {
        var activity = new ThreadActivity(supervisor);
        lock (_lock)
        {
            Volatile.Write(ref _all, [.. _all, activity]);
        }

        return activity;
    }

    internal void Remove(ThreadActivity activity)
    {
        lock (_lock)
        {
            Volatile.Write(ref _all, Array.FindAll(_all, other => other != activity));
        }
    }
}
