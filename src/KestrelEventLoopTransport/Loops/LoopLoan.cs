namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// Lends a loop to the thread pool while its connections' work is there, as with HTTP/2, whose streams run on the pool.
/// The loop's turns are then work items between the others. That saves the switches between the loop's thread and those
/// of the pool, a third of what a request costs where each connection has one stream.
/// </summary>
/// <remarks>
/// <para>
/// A turn on the pool polls without waiting, and goes behind the work that waits in the pool. When the poll finds
/// nothing, and nothing at all waits in the pool, the turn is run once more and waits for events, for a moment. If none
/// come, the loop goes home, and its thread waits for them. No application code runs in such a turn: it goes to the
/// pool as work items of its own.
/// </para>
/// <para>
/// The moment pays because the next events are often near. Without it, the thread of the pool spins for work before it
/// sleeps, and the next events wake the loop's thread, which wakes a thread of the pool. It is short because the thread
/// that waits does no other work of the pool meanwhile, and the pool may have no other thread.
/// </para>
/// <para>
/// Meanwhile the loop's thread waits, with a time-out. If the pool has not come to the next turn by then, because its
/// threads block, the loop's thread takes the loop back.
/// </para>
/// </remarks>
/// <param name="loop">The loop.</param>
/// <param name="pool">The thread pool.</param>
/// <param name="moment">How long a turn waits for events while the pool is idle. Default: 100 microseconds.</param>
internal sealed class LoopLoan(EventLoop loop, LoanPool pool, TimeSpan? moment = null) : IThreadPoolWorkItem
{
    // Milliseconds.
    private const int MaxQueued = 2;

    private static readonly TimeSpan _usualMoment = TimeSpan.FromMicroseconds(100);

    private readonly object _gate = new();
    private LoanWord _word;
    private LoanPolicy _policy;
    private int _found;
    private int _turns;

    /// <summary>Whether the loop is lent: then callbacks do not run on the thread that runs it.</summary>
    internal bool IsLent => _word.State is LoanState.Queued or LoanState.Running;

    /// <summary>A connection has input.</summary>
    /// <param name="isWrittenOutside">Whether its output comes from outside of its callbacks.</param>
    internal void OnEdge(bool isWrittenOutside) => _policy.OnEdge(isWrittenOutside);

    /// <summary>
    /// The loop's thread has run a turn. If it lends the loop, the call returns when the loop is home again.
    /// </summary>
    /// <returns>Whether the loop was lent.</returns>
    internal bool TryLend()
    {
        // Without work for the pool, events are sooner answered at home.
        if (!_policy.ShouldLend() || _word.State != LoanState.Home || !pool.HasWork)
        {
            return false;
        }

        _found = 0;
        loop.BeginLoan();
        _word.Make(LoanTransitions.Lend);
        pool.Queue(this);
        if (WaitUntilHome())
        {
            _policy.OnReturned(_found);
        }
        else
        {
            _policy.OnReclaimed();
        }

        loop.EndLoan();
        return true;
    }

    void IThreadPoolWorkItem.Execute()
    {
        pool.OnStarted();
        if (_word.Make(LoanTransitions.Start) is not { Before: LoanState.Queued })
        {
            return;
        }

        _turns++;
        var found = loop.RunTurnOnPool();
        var isWaiting = !found && MayWait();
        if (isWaiting)
        {
            _turns++;
            found = loop.RunTurnOnPool(moment ?? _usualMoment);
            _policy.OnWaited(found, pool.HasWork);
        }

        _found += found ? 1 : 0;
        if (!loop.IsStopping && (found ? _policy.IsWorthGoingOn() : pool.HasWork))
        {
            // From here on the loop's thread may reclaim the loop: a callback may block. The item comes when it has
            // returned, and until then the loop is not lent again.
            _word.Make(LoanTransitions.Requeue);
            loop.Callbacks.RunPooled(sharesRest: isWaiting);
            pool.Queue(this);
            return;
        }

        // The loop's thread runs the callbacks that are left.
        _word.Make(LoanTransitions.Return);
        lock (_gate)
        {
            Monitor.Pulse(_gate);
        }
    }

    private bool MayWait()
        => pool.IsIdle && !loop.Callbacks.HasPooled && !loop.IsStopping && _policy.ShouldWait();

    /// <summary>False when the loop's thread has taken the loop back.</summary>
    private bool WaitUntilHome()
    {
        while (true)
        {
            try
            {
                return TryWaitUntilHome();
            }
            catch (ThreadInterruptedException)
            {
                // Application code has interrupted the thread that once ran it.
            }
        }
    }

    private bool TryWaitUntilHome()
    {
        lock (_gate)
        {
            while (_word.State != LoanState.Home)
            {
                var turns = Volatile.Read(ref _turns);
                if (!Monitor.Wait(_gate, MaxQueued)
                    && Volatile.Read(ref _turns) == turns
                    && _word.Make(LoanTransitions.Reclaim).After == LoanState.Reclaimed)
                {
                    return false;
                }
            }
        }

        return true;
    }
}
