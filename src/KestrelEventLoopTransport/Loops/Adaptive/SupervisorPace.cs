namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// The supervisor's time: how long it sleeps between two looks, and how long application code has run meanwhile.
/// </summary>
/// <remarks>
/// It sleeps for the hand-off threshold, and less while handlers block often, so that their loops wait less for the
/// next owner. A look costs a processor a fixed time, a block costs its loop one and a half ticks; both together are
/// least when the tick is the root of the look's cost times the time between two blocks by 1.5. With 80 blocks per
/// second and looks of 5 µs that is a fifth of a millisecond: a tick of one millisecond, or of a sixteenth, would cost
/// more.
/// </remarks>
internal sealed class SupervisorPace
{
    private const double TicksLostPerBlock = 1.5;

    // What the kernel adds to every sleep (PR_SET_TIMERSLACK, prctl(2)).
    private static readonly TimeSpan _slack = TimeSpan.FromMicroseconds(50);

    private static readonly TimeSpan _often = TimeSpan.FromMilliseconds(100);

    private readonly TimeSpan _costOfLook;
    private readonly TimeProvider _time;
    private readonly TimeSpan _shortestTick;
    private TimeSpan _betweenBlocks = _often;
    private TimeSpan _pauses;
    private TimeSpan _sinceThreshold;
    private long _lastLook;
    private long _lastBlocked;

    /// <param name="threshold">How long application code may keep its loop.</param>
    /// <param name="costOfLook">The processor time that a look takes.</param>
    /// <param name="time">The clock.</param>
    internal SupervisorPace(TimeSpan threshold, TimeSpan costOfLook, TimeProvider time)
    {
        _costOfLook = costOfLook;
        _time = time;
        _shortestTick = Max(threshold / 16, TimeSpan.FromMicroseconds(50));
        _lastLook = time.GetTimestamp();
        _lastBlocked = _lastLook - time.TimestampFrequency;
        Threshold = threshold;
        Tick = threshold;
    }

    internal TimeSpan Threshold { get; }

    /// <summary>How long to sleep before the next look.</summary>
    internal TimeSpan Tick { get; private set; }

    /// <summary>Whether a whole threshold has passed since this was last true, not just a hasty tick.</summary>
    internal bool IsThreshold { get; private set; }

    /// <summary>
    /// A look begins. Returns for how long application code has run since the one before: zero if that is too short to
    /// tell, and never much more than was slept, as when the whole process was stopped.
    /// </summary>
    internal TimeSpan Advance()
    {
        // A garbage collection stops application code, and the supervisor too: that time has passed for nobody.
        var now = _time.GetTimestamp();
        var pauses = GC.GetTotalPauseDuration();
        var ran = _time.GetElapsedTime(_lastLook, now) - (pauses - _pauses);
        ran = ran < Tick / 2 ? TimeSpan.Zero : Min(ran, (Tick + _slack) * 2);
        _lastLook = now;
        _pauses = pauses;
        Tick = ChooseTick(_time.GetElapsedTime(_lastBlocked, now));

        _sinceThreshold += ran;
        IsThreshold = _sinceThreshold >= Threshold || Tick == Threshold;
        if (IsThreshold)
        {
            _sinceThreshold = TimeSpan.Zero;
        }

        return ran;
    }

    /// <summary>A blocked handler has lost its loop.</summary>
    internal void OnBlocked()
    {
        var since = _time.GetElapsedTime(_lastBlocked, _lastLook);
        _betweenBlocks = since < _often ? _betweenBlocks + ((since - _betweenBlocks) / 8) : _often;
        _lastBlocked = _lastLook;
        Tick = ChooseTick(TimeSpan.Zero);
    }

    private TimeSpan ChooseTick(TimeSpan sinceBlocked)
    {
        var between = Max(sinceBlocked, _betweenBlocks);
        if (between >= _often)
        {
            return Threshold;
        }

        var best = TimeSpan.FromTicks((long)Math.Sqrt(_costOfLook.Ticks * between.Ticks / TicksLostPerBlock));
        return Min(Max(best, _shortestTick), Threshold);
    }

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private static TimeSpan Max(TimeSpan one, TimeSpan other) => one > other ? one : other;
}
