namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// The activities of threads of the pool, taken while they run callbacks of a loop. Many are needed at a time when many
/// callbacks block; those that are not needed any more are given up, one for each that is returned.
/// </summary>
internal sealed class PoolActivities
{
    private readonly Lock _lock = new();

    // Taken from the end, so the one at the start has been free for longest.
    private readonly List<(ThreadActivity Activity, long Since)> _free = [];
    private readonly ThreadActivities _all;
    private readonly long _idleMilliseconds;

    /// <param name="all">The watched activities. Free ones stay among them.</param>
    /// <param name="idleTime">How long an activity stays free before it may be given up.</param>
    internal PoolActivities(ThreadActivities all, TimeSpan idleTime)
    {
        _all = all;
        _idleMilliseconds = (long)idleTime.TotalMilliseconds;
    }

    internal ThreadActivity Take()
    {
        lock (_lock)
        {
            if (_free.Count != 0)
            {
                var activity = _free[^1].Activity;
                _free.RemoveAt(_free.Count - 1);
                return activity;
            }
        }

        return _all.Add();
    }

    internal void Return(ThreadActivity activity)
    {
        ThreadActivity? idle = null;
        var now = Environment.TickCount64;
        lock (_lock)
        {
            if (_free.Count != 0 && now - _free[0].Since > _idleMilliseconds)
            {
                idle = _free[0].Activity;
                _free.RemoveAt(0);
            }

            _free.Add((activity, now));
        }

        if (idle is not null)
        {
            _all.Remove(idle);
        }
    }
}
