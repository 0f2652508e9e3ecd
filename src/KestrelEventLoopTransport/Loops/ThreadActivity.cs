using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// What application code one thread is running: the thread of a loop, or a thread of the pool that runs callbacks of a
/// loop. The supervisor looks at it from outside.
/// </summary>
/// <remarks>
/// The thread calls <see cref="Enter"/> and <see cref="Exit"/>, best through a <see cref="CallbackScope"/>. The
/// supervisor reads <see cref="State"/>, keeps the notes and calls <see cref="TryTake"/>. If a callback returns just
/// when the supervisor takes the loop away, one of the two wins the word: either the thread keeps its loop, or it finds
/// <see cref="LostLoop"/> and leaves the loop alone.
/// </remarks>
internal sealed class ThreadActivity
{
    private static ExecutionContext? _cleanContext;

    [ThreadStatic]
    private static ThreadActivity? _current;

    private readonly ILoopSupervisor _supervisor;
    private string? _threadName;
    private IDispatchTarget? _target;
    private ICorkedOutput? _corked;
    private ActivityWord _word;
    private long _stuckSince;
    private long _began;
    private int _begun;

    internal ThreadActivity(ILoopSupervisor supervisor) => _supervisor = supervisor;

    /// <summary>
    /// The activity of the calling thread; null on a thread that runs no callbacks of loops. It is set before the
    /// thread has run any, so that the thread's execution context is a clean one and its name is its own.
    /// </summary>
    internal static ThreadActivity? Current
    {
        get => _current;
        set
        {
            _cleanContext ??= ExecutionContext.Capture();
            _current = value;
            if (value is not null)
            {
                value._threadName = Thread.CurrentThread.Name;
            }
        }
    }

    /// <summary>The target whose code is running; of nested ones, the innermost.</summary>
    internal IDispatchTarget? Target => Volatile.Read(ref _target);

    /// <summary>
    /// An output of another target than the one whose code is running: it is sent when the code has returned. The
    /// supervisor sends it if that takes long.
    /// </summary>
    internal ICorkedOutput? Corked => Volatile.Read(ref _corked);

    internal ActivityState State => _word.Read();

    /// <summary>
    /// Whether the thread has lost its loop. The thread itself reads and resets it, outside of application code.
    /// </summary>
    internal bool LostLoop { get; set; }

    /// <summary>
    /// The timestamp at which the code of a stuck thread began, as far as the supervisor saw. Written before the
    /// thread is stuck.
    /// </summary>
    internal long StuckSince => Volatile.Read(ref _stuckSince);

    /// <summary>The supervisor's note: the state that it saw last.</summary>
    internal ActivityState LastSeen { get; private set; }

    /// <summary>The supervisor's note: how long the callback seen last has run since.</summary>
    internal TimeSpan Overdue { get; set; }

    /// <summary>The supervisor's note: the overdue callback was using a processor when last looked at.</summary>
    internal bool Computes { get; set; }

    /// <summary>The supervisor notes a state. False when it is the one seen last.</summary>
    internal bool TryNote(ActivityState state)
    {
        if (state == LastSeen)
        {
            return false;
        }

        LastSeen = state;
        Computes = false;
        return true;
    }

    /// <summary>The thread notes the time, if it runs a callback whose beginning is not known.</summary>
    internal void NoteBeginning()
    {
        var state = State;
        if (state.IsRunning && state.Value != _begun)
        {
            // In this order: a supervisor that sees the number sees the time.
            Volatile.Write(ref _began, Stopwatch.GetTimestamp());
            Volatile.Write(ref _begun, state.Value);
        }
    }

    /// <summary>
    /// The timestamp at which the callback of a state began. False if the thread has not noted it, or if the callback
    /// has returned.
    /// </summary>
    internal bool TryGetBeginning(ActivityState state, out long timestamp)
    {
        var isKnown = Volatile.Read(ref _begun) == state.Value;
        timestamp = Volatile.Read(ref _began);

        // If the callback still runs, the time is its own.
        return isKnown && State == state;
    }

    /// <summary>Application code begins. Returns what was running around it, for <see cref="Exit"/>.</summary>
    internal IDispatchTarget? Enter(IDispatchTarget target)
    {
        var outer = _target;
        Volatile.Write(ref _target, target);
        if (outer is null)
        {
            _word.Begin();
            _supervisor.EnsureAwake();
        }
        else
        {
            // From now on the supervisor calls the inner target only.
            outer.OnOverdue();
        }

        return outer;
    }

    /// <summary>
    /// The thread's, inside application code: an output is to wait until that has returned. False when another one
    /// does, or when another supervisor looks after the output's loop: this one may end before the output does.
    /// </summary>
    internal bool TryCork(ICorkedOutput output, ILoopSupervisor supervisor)
    {
        if (!ReferenceEquals(supervisor, _supervisor))
        {
            return false;
        }

        if (_corked is null)
        {
            Volatile.Write(ref _corked, output);
            return true;
        }

        return ReferenceEquals(_corked, output);
    }

    /// <summary>Application code has returned.</summary>
    internal void Exit(IDispatchTarget? outer)
    {
        Volatile.Write(ref _target, outer);
        if (outer is not null)
        {
            return;
        }

        if (!_word.TryEnd())
        {
            LostLoop = true;
            _supervisor.OnStuckReturned(StuckSince);
            _word.EndStuck();
        }

        CleanThread();
        UncorkOther();
    }

    /// <summary>The thread's: sends the output of another target that waits, if one does.</summary>
    internal void UncorkOther()
    {
        if (_corked is { } corked)
        {
            Volatile.Write(ref _corked, null);
            corked.Uncork();
        }
    }

    /// <summary>
    /// The supervisor takes the loop away from the thread, unless the callback seen last has returned.
    /// </summary>
    /// <param name="since">The timestamp at which the callback began.</param>
    internal bool TryTake(long since)
    {
        Volatile.Write(ref _stuckSince, since);
        if (!_word.TryTake(LastSeen))
        {
            return false;
        }

        LastSeen = LastSeen.Take();
        Overdue = TimeSpan.Zero;
        return true;
    }

    /// <summary>
    /// What application code left on the thread must not reach the next callback: the execution context (with async
    /// locals, culture and principal), the synchronization context and the thread's own properties. The thread pool
    /// does the same between work items. The check costs some 5 ns.
    /// </summary>
    private void CleanThread()
    {
        Debug.Assert(_target is null, "Nested callbacks share what they leave.");
        if (_cleanContext is not null)
        {
            ExecutionContext.Restore(_cleanContext);
        }

        if (SynchronizationContext.Current is not null)
        {
            SynchronizationContext.SetSynchronizationContext(null);
        }

        var thread = Thread.CurrentThread;
        if (!thread.IsBackground
            || thread.Priority != ThreadPriority.Normal
            || !ReferenceEquals(thread.Name, _threadName))
        {
            thread.IsBackground = true;
            thread.Priority = ThreadPriority.Normal;
            thread.Name = _threadName;
        }
    }
}
