namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// Decides when a loop is lent to the thread pool: when the connections that had events are mostly written from outside
/// of their callbacks, and when such loans have paid off. Only the thread that runs the loop calls.
/// </summary>
/// <remarks>
/// A loan pays off if the pool finds events before it runs out of work. If it does not, the loop was better off waiting
/// for them at home. So the next loans are skipped, more of them each time, and one in <see cref="MaxSkipped"/> tries
/// again. The same holds for turns that wait, if not events but work of the pool has come meanwhile.
/// </remarks>
internal struct LoanPolicy
{
    private const int MaxSkipped = 32;

    // The end of a loan costs as much as many turns on the pool save: the loop's thread wakes, and the pool's threads
    // spin for work once more before they sleep.
    private const int EnoughTurns = 16;

    private const int PauseMilliseconds = 100;

    private int _edges;
    private int _outside;
    private bool _isOutside;
    private int _skips;
    private int _skipped;
    private int _skippedWaits;
    private int _waitSkips;
    private long _pausedUntil;

    /// <summary>A connection has input.</summary>
    /// <param name="isWrittenOutside">Whether its output comes from outside of its callbacks.</param>
    internal void OnEdge(bool isWrittenOutside)
    {
        _edges++;
        _outside += isWrittenOutside ? 1 : 0;
    }

    /// <summary>A turn on the pool has ended. Whether the work of the last events was on the pool.</summary>
    internal bool IsWorthGoingOn()
    {
        Count();
        return _isOutside;
    }

    /// <summary>Whether to lend the loop now, after a turn at home.</summary>
    internal bool ShouldLend()
    {
        if (!Count() || !_isOutside || Environment.TickCount64 < _pausedUntil)
        {
            return false;
        }

        if (_skipped < _skips)
        {
            _skipped++;
            return false;
        }

        _skipped = 0;
        return true;
    }

    /// <summary>The pool has given the loop back.</summary>
    /// <param name="turns">In how many turns it has found something to do.</param>
    internal void OnReturned(int turns) => _skips = turns >= EnoughTurns ? 0 : Math.Min((_skips * 2) + 1, MaxSkipped);

    /// <summary>Whether a turn that has found nothing may wait for events, while the pool is idle.</summary>
    internal bool ShouldWait()
    {
        if (_skippedWaits < _waitSkips)
        {
            _skippedWaits++;
            return false;
        }

        _skippedWaits = 0;
        return true;
    }

    /// <summary>A turn has waited for events.</summary>
    /// <param name="found">Whether it has found something to do.</param>
    /// <param name="hasWork">
    /// Whether work has come to the pool. The thread that waited might have done it at once.
    /// </param>
    internal void OnWaited(bool found, bool hasWork)
    {
        if (found)
        {
            _waitSkips = 0;
        }
        else if (hasWork)
        {
            _waitSkips = Math.Min((_waitSkips * 2) + 1, MaxSkipped);
        }
    }

    /// <summary>The pool did not come to the loop.</summary>
    internal void OnReclaimed() => _pausedUntil = Environment.TickCount64 + PauseMilliseconds;

    private bool Count()
    {
        if (_edges == 0)
        {
            return false;
        }

        _isOutside = _outside * 2 > _edges;
        _edges = 0;
        _outside = 0;
        return true;
    }
}
