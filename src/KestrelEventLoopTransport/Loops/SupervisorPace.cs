using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// The supervisor's time: how long it sleeps between two looks, and how long application code has run meanwhile.
/// </summary>
/// <remarks>
/// It sleeps for the hand-off threshold, and less while handlers block often: their loops wait that much less for the
/// next owner. A look costs a processor a fixed time, a block costs its loop one and a half ticks; both together are
/// least when the tick is the square root of the look's cost, the time between two blocks and the inverse of 1.5. With
/// 80 blocks per second that is a third of a millisecond: a tick of one millisecond, or of a sixteenth, would cost more.
/// </remarks>
internal sealed class SupervisorPace
{
    private const double TicksLostPerBlock = 1.5;

    // Of a small virtual machine: two context switches and the timer's interrupt.
    private static readonly TimeSpan _costOfLook = TimeSpan.FromMicroseconds(16);

    // What the kernel adds to every sleep (PR_SET_TIMERSLACK, prctl(2)).
    private static readonly TimeSpan _slack = TimeSpan.FromMicroseconds(50);

    private static readonly TimeSpan _shortestTick = TimeSpan.FromMicroseconds(50);
    private static readonly TimeSpan _often = TimeSpan.FromMilliseconds(100);

    private TimeSpan _betweenBlocks = _often;
    private TimeSpan _pauses;
    private TimeSpan _sinceThreshold;
    private long _lastLook = Stopwatch.GetTimestamp();
    private long _lastBlocked;

    /// <param name="threshold">How long application code may keep its loop.</param>
    internal SupervisorPace(TimeSpan threshold)
    {
        Threshold = threshold;
        Tick = threshold;
    }

    internal TimeSpan Threshold { get; }

    /// <summary>How long to sleep before the next look.</summary>
    internal TimeSpan Tick { get; private set; }

    /// <summary>Whether handlers block often.</summary>
    internal bool IsHasty => Tick < Threshold;

    /// <summary>Whether a whole threshold has passed since this was last true, not just a hasty tick.</summary>
    internal bool IsThreshold { get; private set; }

    /// <summary>
    /// A look begins. Returns for how long application code has run since the one before: zero if that is too short to
    /// tell, and never much more than was slept, as when the whole process was stopped.
    /// </summary>
    internal TimeSpan Advance()
    {
        // A garbage collection stops application code, and the supervisor too: that time has passed for nobody.
        var now = Stopwatch.GetTimestamp();
        var pauses = GC.GetTotalPauseDuration();
        var ran = Stopwatch.GetElapsedTime(_lastLook, now) - (pauses - _pauses);
        ran = ran < Tick / 2 ? TimeSpan.Zero : ran < Tick * 2 ? ran : Tick * 2;
        _lastLook = now;
        _pauses = pauses;
        Tick = ChooseTick(Stopwatch.GetElapsedTime(_lastBlocked, now));

        _sinceThreshold += ran;
        IsThreshold = _sinceThreshold >= Threshold || !IsHasty;
        if (IsThreshold)
        {
            _sinceThreshold = TimeSpan.Zero;
        }
        return ran;
    }

    /// <summary>A blocked handler has lost its loop.</summary>
    internal void OnBlocked()
    {
        var since = Stopwatch.GetElapsedTime(_lastBlocked, _lastLook);
        _betweenBlocks += ((since < _often ? since : _often) - _betweenBlocks) / 8;
        _lastBlocked = _lastLook;
        Tick = ChooseTick(TimeSpan.Zero);
    }

    private TimeSpan ChooseTick(TimeSpan sinceBlocked)
    {
        var between = sinceBlocked < _betweenBlocks ? _betweenBlocks : sinceBlocked;
        if (between >= _often)
        {
            return Threshold;
        }
        var best = TimeSpan.FromTicks((long)Math.Sqrt(_costOfLook.Ticks * between.Ticks / TicksLostPerBlock)) - _slack;
        return best > Threshold ? Threshold : best > _shortestTick ? best : _shortestTick;
    }
}
