namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// How long the supervisor sleeps between two looks, and how long application code has run meanwhile.
/// </summary>
/// <remarks>
/// The supervisor sleeps for the hand-off threshold, and for less while handlers block often, so that their loops wait
/// less for the next owner. A look costs a processor a fixed time; a handler that blocks costs its loop one and a half
/// ticks. The sum is least when the tick is the square root of (cost of a look × time between two blocks / 1.5). With
/// 80 blocks per second and looks of 5 µs that is a fifth of a millisecond; ticks of one millisecond, or of a
/// sixteenth, would cost more.
/// </remarks>
internal sealed class SupervisorPace
{
    private const double TicksLostPerBlock = 1.5;

    // What the kernel adds to every sleep (PR_SET_TIMERSLACK, prctl(2)).
    private static readonly TimeSpan _slack = TimeSpan.FromMicroseconds(50);

    // By how much a half-awake supervisor sleeps longer. With it, a callback that blocks loses its loop within two
    // milliseconds of the threshold, but for one in fifty: that one waits for up to three (200 hand-offs measured).
    private static readonly TimeSpan _patience = TimeSpan.FromMilliseconds(1.6);

    private static readonly TimeSpan _often = TimeSpan.FromMilliseconds(100);

    private readonly TimeSpan _costOfLook;
    private readonly TimeProvider _time;
    private readonly TimeSpan _shortestTick;
    private TimeSpan _betweenBlocks = _often;
    private TimeSpan _pauses;
    private TimeSpan _pausedMeanwhile;
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
        _pauses = GC.GetTotalPauseDuration();
        _lastBlocked = _lastLook - time.TimestampFrequency;
        Threshold = threshold;
        Tick = threshold;
    }

    internal TimeSpan Threshold { get; }

    /// <summary>How long to sleep before the next look.</summary>
    internal TimeSpan Tick { get; private set; }

    /// <summary>
    /// How long a half-awake supervisor may sleep after application code has begun. A tick, while handlers block often.
    /// </summary>
    internal TimeSpan Rest => IsHasty ? Tick : Threshold + _patience;

    /// <summary>Whether ticks are short because handlers block often.</summary>
    internal bool IsHasty => Tick < Threshold;

    /// <summary>Whether a whole threshold has passed since this was last true, not just a hasty tick.</summary>
    internal bool IsThreshold { get; private set; }

    /// <summary>
    /// A look begins. Returns for how long application code has run since the look before: zero if that is too short to
    /// tell. Never much more than the supervisor meant to sleep, or a process that was stopped would have slow
    /// handlers.
    /// </summary>
    internal TimeSpan Advance()
    {
        // A garbage collection stops application code and the supervisor, so that time does not count.
        var now = _time.GetTimestamp();
        var pauses = GC.GetTotalPauseDuration();
        _pausedMeanwhile = pauses - _pauses;
        var ran = _time.GetElapsedTime(_lastLook, now) - _pausedMeanwhile;
        ran = ran < Tick / 2 ? TimeSpan.Zero : Min(ran, (Tick + _slack) * 2);
        _lastLook = now;
        _pauses = pauses;
        Tick = ChooseTick(_time.GetElapsedTime(_lastBlocked, now));

        _sinceThreshold += ran;
        IsThreshold = _sinceThreshold >= Threshold || !IsHasty;
        if (IsThreshold)
        {
            _sinceThreshold = TimeSpan.Zero;
        }

        return ran;
    }

    /// <summary>
    /// For how long a callback has run at the last look that was not seen before: zero if that is less than a tick. The
    /// same limits hold as for <see cref="Advance"/>.
    /// </summary>
    /// <param name="began">The timestamp at which it began.</param>
    internal TimeSpan GetAge(long began)
    {
        var age = _time.GetElapsedTime(began, _lastLook) - _pausedMeanwhile;
        return age < Tick ? TimeSpan.Zero : Min(age, (Rest + _slack) * 2);
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
