using KestrelEventLoopTransport.Diagnostics;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// A thread that checks whether application code returns, every one to three milliseconds
/// (<see cref="SupervisorPace"/>) while there is any, and sleeps otherwise. Code that does not return gets its output
/// sent, and with adaptive scheduling its loop is handed to another thread, as Go's <c>sysmon</c> retakes a processor.
/// </summary>
/// <remarks>
/// <para>
/// A check by the supervisor costs two context switches and a timer interrupt: some 16 µs on a small virtual machine,
/// or 1.6 % of a processor at 1,000 checks per second. A C program that only sleeps takes as much. So on a busy server,
/// where callbacks begin all the time, loops that make progress check in its place, between two callbacks and for a
/// fraction of that, and put off the time at which it wakes. They do so only if all is well. If even one callback that
/// was seen at the last check still runs, the time stays, and the supervisor is there when it comes.
/// </para>
/// <para>
/// On a quiet server a loop is seldom there to check. There the supervisor is half-awake
/// (<see cref="SupervisorSleep"/>): it sleeps longer, because callbacks that begin note when they do, and wakes only if
/// some have begun.
/// </para>
/// </remarks>
internal sealed class Supervisor : ILoopSupervisor
{
    // With more callbacks since the last look, it costs less to be awake: they note no time, and loops look.
    private const int MaxBegun = 32;
    private const int MaxBegunHasty = 2;

    // The processor time of a check, for the pace. Where loops can check in the supervisor's place, they mostly do,
    // which is cheaper.
    private static readonly TimeSpan _costOfLook = TimeSpan.FromMicroseconds(OperatingSystem.IsLinux() ? 5 : 16);

    private readonly SupervisorPace _pace;
    private readonly SupervisorReport _report;
    private readonly ActivityScanner _scanner;
    private readonly SupervisorSleep _sleep;
    private readonly Thread _thread;
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private SupervisorLook _look = null!;

    /// <param name="options">The hand-off threshold, and what the standby threads need.</param>
    /// <param name="metrics">The instruments.</param>
    /// <param name="log">The log.</param>
    internal Supervisor(EventLoopTransportOptions options, LoopMetrics metrics, HandOffLog log)
    {
        Activities = new ThreadActivities(this);
        Standbys = new StandbyThreads(Activities, options);
        _pace = new SupervisorPace(options.Adaptive.HandOffThreshold, _costOfLook, TimeProvider.System);
        _report = new SupervisorReport(options.Adaptive.HandOffThreshold, metrics, log);
        _scanner = new ActivityScanner(Activities, _pace, _report);
        _sleep = new SupervisorSleep(_pace);
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

    /// <summary>Starts supervising loops. Their threads have not started to run them.</summary>
    internal void Start(SupervisedLoop[] loops)
    {
        var handOffs = new HandOffs(loops, Standbys, _scanner, _pace, _report);
        _look = new SupervisorLook(loops, _scanner, _pace, handOffs);
        _sleep.Start();
        try
        {
            _thread.UnsafeStart();
        }
        catch
        {
            _sleep.Dispose();
            throw;
        }
    }

    /// <summary>Ends the thread soon. After <see cref="Start"/>.</summary>
    internal void Stop() => _sleep.Stop();

    public void EnsureAwake()
    {
        if (_sleep.IsDrowsy)
        {
            ThreadActivity.Current?.NoteBeginning();
            _sleep.Arm();
        }
    }

    public void OnProgress()
    {
        if (_sleep.TryBeginLook())
        {
            _sleep.EndLook(isCalm: _look.TryLookForSupervisor());
        }
    }

    public void OnStuckReturned(long since) => _report.OnStuckReturned(since);

    private void Run()
    {
        // A logging provider that blocks would end the supervision.
        SafeLogger.DeferOnThisThread();
        while (!_sleep.IsStopping)
        {
            LookAwake();
            LookDrowsy();
        }

        _sleep.Dispose();
        _stopped.SetResult();
    }

    /// <summary>Looks at every tick, unless loops do, until nothing runs and little begins.</summary>
    private void LookAwake()
    {
        do
        {
            _sleep.SleepForTick(_look.IsCalm);
            _look.Look();
        }
        while ((_look.Runs || _look.Begun > MaxBegun / 3) && !_sleep.IsStopping);
    }

    /// <summary>Looks when a look is due for what has begun, until too much begins for that.</summary>
    private void LookDrowsy()
    {
        _sleep.FallDrowsy();
        var quietLooks = 0;
        var wakers = 0;
        while (!_sleep.IsStopping)
        {
            _sleep.BeginDrowsyLook();
            _look.Look();
            if (_look.Begun > (_pace.IsHasty ? MaxBegunHasty : MaxBegun))
            {
                break;
            }

            quietLooks = _look.Runs || _look.Begun > wakers ? 0 : quietLooks + 1;
            if (quietLooks < _sleep.QuietLooks)
            {
                _sleep.Rest(_look.Runs ? _pace.Tick : _pace.Rest);
                wakers = 0;
            }
            else
            {
                // If nothing more begins than what ends this sleep, the next one does not end by itself either.
                _sleep.RestUntilArmed();
                wakers = 1;
            }
        }

        _sleep.WakeUp();
    }
}
