namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// The threads of a group that run no loop just now: parked ones, and ones whose loop was taken away and that are
/// still inside the application code that kept them. Bounded.
/// </summary>
/// <remarks>
/// One is kept parked as a spare where loops change hands: to make a thread takes long while a loop stands still. The
/// .NET thread pool makes the next spare when one has been taken; who needs a thread before that makes it himself, so a
/// pool whose threads are all blocked delays a hand-off and does not prevent it. Parked threads beyond the spare end
/// when they have been idle for a while.
/// </remarks>
internal sealed class StandbyThreads : IThreadPoolWorkItem
{
    private readonly Lock _lock = new();
    private readonly List<LoopThread> _parked = [];
    private readonly TaskCompletionSource _allEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Supervisor _supervisor;
    private readonly int _loops;
    private readonly int _bound;
    private readonly int _spares;

    // Threads that have not ended and are not about to: parked, running a loop, stuck, or being made.
    private int _count;

    // Of those, spares being made.
    private int _making;
    private int _numbers;
    private bool _spareRequested;
    private bool _stopped;
    private bool _sufficeForAll;
    private int _alive;
    private int _stuck;

    /// <param name="supervisor">Watches the threads.</param>
    /// <param name="options">Number of loops, as many threads run one; most threads beside those.</param>
    internal StandbyThreads(Supervisor supervisor, EventLoopTransportOptions options)
    {
        _supervisor = supervisor;
        _loops = options.EventLoopCount;
        _bound = _loops + options.MaxStandbyThreads;
        _spares = options.Scheduling == ApplicationScheduling.Adaptive ? 1 : 0;
        IdleTime = options.StandbyIdleTime;
    }

    /// <summary>How long a thread stays parked before it may end.</summary>
    internal TimeSpan IdleTime { get; }

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
        LoopThread? thread = null;
        lock (_lock)
        {
            if (_stopped)
            {
                return null;
            }

            if (_parked.Count != 0)
            {
                thread = _parked[^1];
                _parked.RemoveAt(_parked.Count - 1);
            }
            else if (!TryReserve())
            {
                return null;
            }

            RequestSpare();
            Update();
        }

        return thread ?? TryCreate();
    }

    /// <summary>
    /// A thread has lost its loop: nobody waits for it any more, since the application code that keeps it may never
    /// return.
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

            _parked.Add(thread);
            Update();
            return true;
        }
    }

    /// <summary>Called by a thread that has been parked for a while. True when it is to end.</summary>
    internal bool TryRetire(LoopThread thread)
    {
        lock (_lock)
        {
            if (_stopped || _parked.Count <= _spares || !_parked.Remove(thread))
            {
                return false;
            }

            _count--;
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

    /// <summary>Makes the spare.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        lock (_lock)
        {
            _spareRequested = false;
            if (!NeedsSpare || !TryReserve())
            {
                return;
            }

            _making++;
            Update();
        }

        var spare = TryCreate();
        lock (_lock)
        {
            _making--;
            if (spare is not null && !_stopped)
            {
                _parked.Add(spare);
                spare = null;
            }

            Update();
        }

        spare?.End();
    }

    private bool NeedsSpare => !_stopped && _parked.Count + _making < _spares;

    private void RequestSpare()
    {
        if (NeedsSpare && !_spareRequested)
        {
            _spareRequested = true;
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    private bool TryReserve()
    {
        if (_count == _bound)
        {
            return false;
        }

        _count++;
        _alive++;
        return true;
    }

    /// <summary>Creates the thread that was reserved, not under the lock: that waits until the thread runs.</summary>
    private LoopThread? TryCreate()
    {
        try
        {
            return new LoopThread(Interlocked.Increment(ref _numbers) - 1, _supervisor, this);
        }
        catch (Exception exception) when (exception is OutOfMemoryException or ThreadStartException)
        {
            // The system has no more threads: as at the bound.
            lock (_lock)
            {
                _count--;
                _alive--;
                CompleteIfAllEnded();
                Update();
            }

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
        => Volatile.Write(ref _sufficeForAll, _parked.Count + _making + (_bound - _count) >= _loops);
}
