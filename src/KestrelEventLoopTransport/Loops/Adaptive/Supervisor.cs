using System.Diagnostics;
using KestrelEventLoopTransport.Diagnostics;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// A thread that checks about every millisecond (<see cref="SupervisorPace"/>) whether application code returns, while
/// there is any, and sleeps otherwise. Code that does not return gets its output sent, and with adaptive scheduling its
/// loop is handed to another thread, as Go's <c>sysmon</c> retakes a processor.
/// </summary>
/// <remarks>
/// <para>
/// No callback is overlooked when the supervisor falls asleep. The supervisor first says that it sleeps, makes the
/// earlier writes of all threads visible, and then looks once more. A thread that begins application code, or leaves a
/// callback to the pool, writes its activity or the queue first and then reads whether the supervisor sleeps. That is a
/// hot path without a fence. The process-wide barrier on the supervisor's side stands in for it.
/// </para>
/// <para>
/// A check by the supervisor costs two context switches and a timer interrupt: some 16 µs on a small virtual machine,
/// or 1.6 % of a processor at 1,000 checks per second. A C program that only sleeps takes as much. So loops that make
/// progress check in its place, between two callbacks and for a fraction of that, and put off the time at which it
/// wakes. They do so only if all is well. If even one callback that was seen at the last check still runs, the time
/// stays, and the supervisor is there when it comes.
/// </para>
/// </remarks>
internal sealed class Supervisor : ILoopSupervisor
{
    // The processor time of a check, for the pace. Where loops can check in the supervisor's place, they mostly do,
    // which is cheaper.
    private static readonly TimeSpan _costOfLook = TimeSpan.FromMicroseconds(OperatingSystem.IsLinux() ? 5 : 16);

    private readonly SupervisorPace _pace;
    private readonly SupervisorReport _report;
    private readonly ActivityScanner _scanner;
    private readonly Thread _thread;
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private SupervisorClock _clock = null!;
    private HandOffs _handOffs = null!;
    private SupervisedLoop[] _loops = [];
    private WatchWord _watch;
    private long _nextWatch = long.MaxValue;
    private bool _isCalm = true;
    private bool _runs;
    private volatile bool _stopping;

    /// <param name="options">The hand-off threshold, and what the standby threads need.</param>
    /// <param name="metrics">The instruments.</param>
    /// <param name="log">The log.</param>
    internal Supervisor(EventLoopTransportOptions options, LoopMetrics metrics, HandOffLog log)
    {
        Activities = new ThreadActivities(this);
        Standbys = new StandbyThreads(Activities, options);
        _pace = new SupervisorPace(options.Adaptive.HandOffThreshold, _costOfLook, TimeProvider.System);
        _report = new SupervisorReport(options.Adaptive.HandOffThreshold, metrics, log);
        _scanner = new ActivityScanner(Activities, _report);
        _thread = new Thread(Run) { IsBackground = true, Name = "loop-supervisor" };
    }

    /// <summary>The activities that it watches.</summary>
    internal ThreadActivities Activities { get; }

    /// <summary>The threads that run loops, or may.</summary>
    internal StandbyThreads Standbys { get; }

    /// <summary>Completes when the thread has ended.</summary>
    internal Task Stopped => _stopped.Task;

    /// <summary>For how long the code has run that has kept a stuck thread longest.</summary>
    internal TimeSpan LongestStuck => _scanner.LongestStuck;

    public bool CanHandOffAll => Standbys.SufficeForAll;

    private bool IsTimeToWatch => Stopwatch.GetTimestamp() >= Volatile.Read(ref _nextWatch);

    private bool HasPooled => Array.Exists(_loops, static supervised => supervised.Loop.Callbacks.HasPooled);

    /// <summary>Starts supervising loops. Their threads have not started to run them.</summary>
    internal void Start(SupervisedLoop[] loops)
    {
        _loops = loops;
        _handOffs = new HandOffs(loops, Standbys, _scanner, _pace, _report);
        _clock = SupervisorClock.Create();
        try
        {
            _thread.UnsafeStart();
        }
        catch
        {
            _clock.Dispose();
            throw;
        }
    }

    /// <summary>Ends the thread soon. After <see cref="Start"/>.</summary>
    internal void Stop()
    {
        _stopping = true;
        _clock.Set(TimeSpan.FromTicks(1));
    }

    public void EnsureAwake()
    {
        if (_watch.IsAsleep && _watch.TryRouse())
        {
            // Before a tick has passed there is nothing to see.
            _clock.Set(_pace.Tick);
            SetNextWatch();
        }
    }

    public void OnProgress()
    {
        if (_watch.IsOpen && IsTimeToWatch && _watch.TryBeginLook())
        {
            // Another loop may have looked meanwhile.
            if (IsTimeToWatch)
            {
                LookForSupervisor();
            }

            _watch.EndLook();
        }
    }

    public void OnStuckReturned(long since) => _report.OnStuckReturned(since);

    private void Run()
    {
        // A logging provider that blocks would end the supervision.
        SafeLogger.DeferOnThisThread();
        var quietLooks = 0;
        while (!_stopping)
        {
            if (_runs || quietLooks < _clock.QuietLooks)
            {
                SleepForTick();
            }
            else if (!TrySleepUntilRoused())
            {
                quietLooks = 0;
                continue;
            }

            quietLooks = Look() ? 0 : quietLooks + 1;
        }

        _clock.Dispose();
        _stopped.SetResult();
    }

    /// <summary>Sleeps for one tick after the last check, the supervisor's own or a loop's.</summary>
    private void SleepForTick()
    {
        if (!_isCalm || !_clock.IsMovable)
        {
            SupervisorClock.Sleep(_pace.Tick);
            return;
        }

        _clock.Set(_pace.Tick);
        SetNextWatch();
        _watch.Open();
        _clock.Wait();
        _watch.Close();
    }

    /// <summary>
    /// Sleeps until application code begins; where the clock can be moved, for one tick more, which loops may put off.
    /// False when the last look has found that something runs after all.
    /// </summary>
    private bool TrySleepUntilRoused()
    {
        _clock.Clear();
        Volatile.Write(ref _nextWatch, long.MaxValue);
        _watch.FallAsleep();
        Interlocked.MemoryBarrierProcessWide();
        Look();
        if (_runs)
        {
            _watch.TryRouse();
            return false;
        }

        if (_clock.IsMovable)
        {
            _watch.Open();
        }

        while (_watch.IsAsleep && !_stopping)
        {
            _clock.Wait();
        }

        if (_clock.IsMovable)
        {
            _watch.Close();
        }

        return true;
    }

    /// <summary>
    /// Looks at every activity and every loop. False when nothing runs and nothing has run since the last look. All is
    /// calm unless a callback that was seen before still runs with its loop, or some wait for the thread pool.
    /// </summary>
    private bool Look()
    {
        var ran = _pace.Advance();
        var result = _scanner.Scan(ran, _pace.IsThreshold);
        if ((result & ScanResult.Overdue) != 0)
        {
            _handOffs.Run();
        }

        foreach (var supervised in _loops)
        {
            supervised.Loop.Callbacks.OfferBack();
        }

        var hasPooled = HasPooled;
        _isCalm = (result & ScanResult.Kept) == 0 && !hasPooled;
        _runs = (result & ScanResult.Running) != 0 || hasPooled;
        return _runs || (result & ScanResult.Changed) != 0;
    }

    /// <summary>A loop looks, and puts off the time at which the supervisor wakes if all is well.</summary>
    private void LookForSupervisor()
    {
        if (HasPooled || !_scanner.TryNoteAll())
        {
            // Once is enough: the supervisor comes.
            Volatile.Write(ref _nextWatch, long.MaxValue);
            return;
        }

        _ = _pace.Advance();
        SetNextWatch();
        _clock.Set(_pace.Tick);
    }

    private void SetNextWatch()
    {
        var half = (long)(_pace.Tick.TotalSeconds * Stopwatch.Frequency) / 2;
        Volatile.Write(ref _nextWatch, Stopwatch.GetTimestamp() + half);
    }
}
