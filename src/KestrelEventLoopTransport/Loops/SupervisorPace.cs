using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// The supervisor's time: how long it sleeps between two looks, and how long application code has run meanwhile.
/// </summary>
/// <remarks>
/// It sleeps for the hand-off threshold. While handlers block often it looks sixteen times as often, and their loops
/// wait that much less for the next owner: with 1 % of the requests sleeping, waiting a millisecond for each of them
/// would be most of what a loop does.
/// </remarks>
internal sealed class SupervisorPace
{
    private const int Haste = 16;
    private static readonly TimeSpan _shortestTick = TimeSpan.FromMicroseconds(50);
    private static readonly TimeSpan _often = TimeSpan.FromMilliseconds(100);

    private readonly TimeSpan _hastyTick;
    private TimeSpan _pauses;
    private TimeSpan _sinceThreshold;
    private long _lastLook = Stopwatch.GetTimestamp();
    private long _lastBlocked;

    /// <param name="threshold">How long application code may keep its loop.</param>
    internal SupervisorPace(TimeSpan threshold)
    {
        Threshold = threshold;
        _hastyTick = threshold / Haste < _shortestTick ? _shortestTick : threshold / Haste;
    }

    internal TimeSpan Threshold { get; }

    /// <summary>How long to sleep before the next look.</summary>
    internal TimeSpan Tick => IsHasty ? _hastyTick : Threshold;

    /// <summary>Whether handlers block often.</summary>
    internal bool IsHasty { get; private set; }

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
        var tick = Tick;
        _lastLook = now;
        _pauses = pauses;
        IsHasty = IsHasty && Stopwatch.GetElapsedTime(_lastBlocked, now) < _often;

        ran = ran < tick / 2 ? TimeSpan.Zero : ran < tick * 2 ? ran : tick * 2;
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
        IsHasty = Stopwatch.GetElapsedTime(_lastBlocked, _lastLook) < _often;
        _lastBlocked = _lastLook;
    }
}
