using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Connections.Timing;

/// <summary>
/// Measures how long something has stood still, by looking at a count now and then. It measures too little rather than
/// too much: what changed between two looks counts as changed at the second.
/// </summary>
internal struct StandstillClock
{
    // A quarter of a limit passes between two looks, so a limit is reached a quarter late at most.
    private const int LooksPerLimit = 4;

    private long _since;
    private long _mark;
    private bool _isRunning;

    /// <summary>Whether a limit is reached.</summary>
    /// <param name="now">A time before the mark was read.</param>
    /// <param name="seen">A time after the mark was read.</param>
    /// <param name="limit">The limit; <see cref="LoopTimer.Never"/> without one.</param>
    /// <param name="counts">Whether standing still counts at present.</param>
    /// <param name="mark">A number that has changed if there was a movement.</param>
    /// <param name="next">When to look again; it is only ever made earlier.</param>
    internal bool IsReached(long now, long seen, long limit, bool counts, long mark, ref long next)
    {
        if (limit == LoopTimer.Never)
        {
            return false;
        }

        if (!counts || !_isRunning || mark != _mark)
        {
            _since = seen;
            _mark = mark;
            _isRunning = counts;
        }

        if (_isRunning && now - _since >= limit)
        {
            return true;
        }

        var look = now + Math.Max(limit / LooksPerLimit, 1);
        next = Math.Min(next, _isRunning ? Math.Min(look, _since + limit) : look);
        return false;
    }
}
