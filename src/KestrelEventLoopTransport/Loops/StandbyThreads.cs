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
    private readonly LoopCounters _counters;
    private readonly int _loops;
    private readonly int _most;
    private int _created;
    private bool _stopped;
    private bool _sufficeForAll;
    private int _alive;

    /// <param name="supervisor">Watches the threads.</param>
    /// <param name="counters">Is told the number of threads.</param>
    /// <param name="loops">Number of loops: as many threads run one.</param>
    /// <param name="most">Most threads beside those.</param>
    internal StandbyThreads(Supervisor supervisor, LoopCounters counters, int loops, int most)
    {
        _supervisor = supervisor;
        _counters = counters;
        _loops = loops;
        _most = most;
    }

    /// <summary>
    /// Whether every loop could be handed to another thread right now. If not, application code must not run on
    /// loops: one that got stuck would stay stuck.
    /// </summary>
    internal bool SufficeForAll => Volatile.Read(ref _sufficeForAll);

    /// <summary>Completes when all threads have ended, after <see cref="Stop"/>.</summary>
    internal Task Stopped => _allEnded.Task;

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
                thread = new LoopThread(_created++, _supervisor, this);
                _alive++;
            }
            Update();
            return thread;
        }
    }

    /// <summary>Keeps a thread for later. False when it is to end.</summary>
    internal bool TryPark(LoopThread thread)
    {
        lock (_lock)
        {
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
            if (--_alive == 0 && _stopped)
            {
                _allEnded.TrySetResult();
            }
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
        }
    }

    private void Update()
    {
        _counters.StandbyThreads = Math.Max(_created - _loops, 0);
        Volatile.Write(ref _sufficeForAll, _parked.Count + (_loops + _most - _created) >= _loops);
    }
}
