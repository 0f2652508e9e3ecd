namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// The threads of a group that run no loop just now: parked ones, and ones whose loop was taken away and that are
/// still inside the application code that kept them. Bounded.
/// </summary>
internal sealed class StandbyThreads
{
    private readonly Lock _lock = new();
    private readonly Stack<LoopThread> _parked = new();
    private readonly TaskCompletionSource _allEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Supervisor _supervisor;
    private readonly int _loops;
    private readonly int _most;
    private int _created;
    private bool _stopped;
    private bool _sufficeForAll;
    private int _alive;
    private int _stuck;

    /// <param name="supervisor">Watches the threads.</param>
    /// <param name="loops">Number of loops: as many threads run one.</param>
    /// <param name="most">Most threads beside those.</param>
    internal StandbyThreads(Supervisor supervisor, int loops, int most)
    {
        _supervisor = supervisor;
        _loops = loops;
        _most = most;
    }

    /// <summary>
    /// Whether every loop could be handed to another thread right now. If not, application code must not run on
    /// loops: one that got stuck would stay stuck.
    /// </summary>
    internal bool SufficeForAll => Volatile.Read(ref _sufficeForAll);

    /// <summary>Completes after <see cref="Stop"/> when all threads have ended, but for stuck ones.</summary>
    internal Task Stopped => _allEnded.Task;

    /// <summary>How many threads are parked, and how many stuck in application code that has lost its loop.</summary>
    internal (int Parked, int Stuck) Count()
    {
        lock (_lock)
        {
            return (_parked.Count, _stuck);
        }
    }

    /// <summary>Takes a parked thread or creates one. Null at the bound.</summary>
    internal LoopThread? TryTake()
    {
        lock (_lock)
        {
            if (_stopped)
            {
                return null;
            }
            if (!_parked.TryPop(out var thread) && _created < _loops + _most)
            {
                thread = TryCreate();
            }
            Update();
            return thread;
        }
    }

    /// <summary>
    /// A thread has lost its loop: nobody waits for it any more, since the application code that keeps it may never return.
    /// </summary>
    internal void OnStuck()
    {
        lock (_lock)
        {
            _alive--;
            _stuck++;
        }
    }

    /// <summary>Keeps a thread for later. False when it is to end.</summary>
    /// <param name="thread">The thread.</param>
    /// <param name="wasStuck">Whether it had lost its loop.</param>
    internal bool TryPark(LoopThread thread, bool wasStuck = false)
    {
        lock (_lock)
        {
            if (wasStuck)
            {
                _alive++;
                _stuck--;
            }
            if (_stopped)
            {
                return false;
            }
            _parked.Push(thread);
            Update();
            return true;
        }
    }

    /// <summary>A thread is ending.</summary>
    internal void OnEnd()
    {
        lock (_lock)
        {
            _alive--;
            CompleteIfAllEnded();
        }
    }

    /// <summary>Ends the parked threads, and every other as soon as it wants to park.</summary>
    internal void Stop()
    {
        lock (_lock)
        {
            _stopped = true;
            foreach (var thread in _parked)
            {
                thread.End();
            }
            _parked.Clear();
            CompleteIfAllEnded();
        }
    }

    private LoopThread? TryCreate()
    {
        try
        {
            var thread = new LoopThread(_created, _supervisor, this);
            _created++;
            _alive++;
            return thread;
        }
        catch (Exception exception) when (exception is OutOfMemoryException or ThreadStartException)
        {
            // The system has no more threads: as at the bound.
            return null;
        }
    }

    private void CompleteIfAllEnded()
    {
        if (_alive <= 0 && _stopped)
        {
            _allEnded.TrySetResult();
        }
    }

    private void Update()
        => Volatile.Write(ref _sufficeForAll, _parked.Count + (_loops + _most - _created) >= _loops);
}
