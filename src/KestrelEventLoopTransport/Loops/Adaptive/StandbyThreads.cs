namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// The threads that run no loop at the moment: parked ones, and stuck ones, which have lost their loop and are still
/// inside the application code that kept them. Their number is bounded.
/// </summary>
/// <remarks>
/// Where loops are handed off, one thread is kept parked as a spare, because a loop stands still while a thread is
/// made. When the spare has been taken, the .NET thread pool makes the next. If a thread is needed before that, the
/// caller makes it. So a pool whose threads are all blocked delays a hand-off but does not prevent it. Parked threads
/// beyond the spare end when they have been idle for a while.
/// </remarks>
internal sealed class StandbyThreads : IThreadPoolWorkItem
{
    private readonly Lock _lock = new();
    private readonly List<LoopThread> _parked = [];
    private readonly TaskCompletionSource _allEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ThreadActivities _activities;
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

    /// <param name="activities">Gets the activity of each thread.</param>
    /// <param name="options">
    /// The number of loops, each of which has a thread, and the largest number of threads beside those.
    /// </param>
    internal StandbyThreads(ThreadActivities activities, EventLoopTransportOptions options)
    {
        _activities = activities;
        _loops = options.EventLoopCount;
        _bound = _loops + options.MaxStandbyThreads;
        _spares = options.Scheduling == ApplicationScheduling.Adaptive ? 1 : 0;
        IdleTime = options.Adaptive.StandbyIdleTime;
    }

    /// <summary>How long a thread stays parked before it may end.</summary>
    internal TimeSpan IdleTime { get; }

    /// <summary>Whether every loop could be handed to another thread right now.</summary>
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
    /// A thread has lost its loop. <see cref="Stopped"/> does not wait for it any more, since the application code that
    /// keeps it may never return.
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

    /// <summary>Ends the parked threads, and every other one as soon as it wants to park.</summary>
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

    /// <summary>
    /// Creates the thread that was reserved. Not under the lock, since that waits until the thread runs.
    /// </summary>
    private LoopThread? TryCreate()
    {
        try
        {
            return new LoopThread(Interlocked.Increment(ref _numbers) - 1, _activities, this);
        }
        catch (Exception exception) when (exception is OutOfMemoryException or ThreadStartException)
        {
            // The system allows no more threads. That is handled as the bound is.
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
