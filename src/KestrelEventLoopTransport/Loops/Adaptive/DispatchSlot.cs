namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// What application code one thread is running: the thread of a loop, or one of the pool that runs a loop's
/// callbacks. The supervisor looks at it from outside.
/// </summary>
/// <remarks>
/// <para>
/// The word <c>_sequence</c>: even while the thread runs the loop's own code, odd while it runs application code, and
/// one higher at each change; so a supervisor that twice sees the same odd number knows that the code is still at it.
/// Negative once the supervisor has taken the loop away: then the thread is stuck, and nobody waits for it.
/// </para>
/// <para>
/// Who moves it: the thread itself, by a plain write from even to odd and a compare-and-swap from odd to even; the
/// supervisor, by a compare-and-swap from odd to taken. Of the last two one wins: either the code returned in time
/// and the thread keeps its loop, or it finds the loop gone.
/// </para>
/// </remarks>
internal sealed class DispatchSlot
{
    private const int Taken = int.MinValue;

    private static ExecutionContext? _cleanContext;

    [ThreadStatic]
    private static DispatchSlot? _ofThread;

    private readonly Supervisor _supervisor;
    private string? _threadName;
    private IDispatchTarget? _target;
    private int _sequence;
    private long _stuckSince;

    internal DispatchSlot(Supervisor supervisor) => _supervisor = supervisor;

    /// <summary>
    /// The slot of the calling thread, while it is one that runs application code for a loop. A thread gets it before
    /// it has run any, so that its context is the clean one, and its name its own.
    /// </summary>
    internal static DispatchSlot? OfThread
    {
        get => _ofThread;
        set
        {
            _cleanContext ??= ExecutionContext.Capture();
            _ofThread = value;
            if (value is not null)
            {
                value._threadName = Thread.CurrentThread.Name;
            }
        }
    }

    /// <summary>Whose code is running.</summary>
    internal IDispatchTarget? Target => Volatile.Read(ref _target);

    internal int Sequence => Volatile.Read(ref _sequence);

    /// <summary>
    /// Whether the loop of this thread was taken away. Read and reset by the thread itself, outside application code.
    /// </summary>
    internal bool LostLoop { get; set; }

    /// <summary>Whether the code that runs has lost its loop.</summary>
    internal bool IsStuck => Sequence < 0;

    /// <summary>Since when the code of a stuck thread has run, as far as the supervisor saw.</summary>
    internal long StuckSince => Volatile.Read(ref _stuckSince);

    /// <summary>The supervisor's notes: the number it saw last, and for how long the code has run since.</summary>
    internal int LastSeen { get; private set; }

    internal TimeSpan Overdue { get; set; }

    /// <summary>The supervisor's note: the overdue code was using a processor when last looked at.</summary>
    internal bool Computes { get; set; }

    /// <summary>Whether code runs that its loop waits for.</summary>
    internal static bool IsRunning(int sequence) => (sequence & (Taken | 1)) == 1;

    /// <summary>The supervisor notes a number. False when it is the one seen last.</summary>
    internal bool TrySee(int sequence)
    {
        if (sequence == LastSeen)
        {
            return false;
        }

        LastSeen = sequence;
        Computes = false;
        return true;
    }

    /// <summary>Application code begins. Returns what was running around it, for <see cref="Exit"/>.</summary>
    internal IDispatchTarget? Enter(IDispatchTarget target)
    {
        var outer = _target;
        Volatile.Write(ref _target, target);
        if (outer is null)
        {
            Volatile.Write(ref _sequence, (_sequence + 1) & int.MaxValue);
            _supervisor.EnsureAwake();
        }
        else
        {
            // The supervisor looks after the inner one only.
            outer.OnOverdue();
        }

        return outer;
    }

    /// <summary>Application code has returned.</summary>
    internal void Exit(IDispatchTarget? outer)
    {
        Volatile.Write(ref _target, outer);
        if (outer is not null)
        {
            return;
        }

        var running = Volatile.Read(ref _sequence) & ~Taken;
        var next = (running + 1) & int.MaxValue;
        if (Interlocked.CompareExchange(ref _sequence, next, running) != running)
        {
            LostLoop = true;
            _supervisor.OnUnstuck(this);
            Volatile.Write(ref _sequence, next);
        }

        CleanThread();
    }

    /// <summary>
    /// Takes the loop away from the thread, unless the application code seen last has returned meanwhile.
    /// </summary>
    internal bool TryTake(long since)
    {
        Volatile.Write(ref _stuckSince, since);
        if (Interlocked.CompareExchange(ref _sequence, LastSeen | Taken, LastSeen) != LastSeen)
        {
            return false;
        }

        LastSeen |= Taken;
        Overdue = TimeSpan.Zero;
        return true;
    }

    /// <summary>
    /// What application code left on the thread must not reach the next callback: execution context (with async
    /// locals, culture and principal), synchronization context and the thread's own properties, as the thread pool does
    /// between work items. To look costs some 5 ns.
    /// </summary>
    private void CleanThread()
    {
        if (_cleanContext is not null)
        {
            ExecutionContext.Restore(_cleanContext);
        }

        if (SynchronizationContext.Current is not null)
        {
            SynchronizationContext.SetSynchronizationContext(null);
        }

        var thread = Thread.CurrentThread;
        if (!thread.IsBackground || thread.Priority != ThreadPriority.Normal || !ReferenceEquals(thread.Name, _threadName))
        {
            thread.IsBackground = true;
            thread.Priority = ThreadPriority.Normal;
            thread.Name = _threadName;
        }
    }
}
