namespace KestrelEventLoopTransport.Loops.Timers;

/// <summary>
/// When a timer is due: a time, <see cref="Never"/>, or <see cref="Firing"/> while it fires and has not been set since.
/// Pure functions, for the word that <see cref="LoopTimer"/> has.
/// </summary>
internal static class TimerDue
{
    /// <summary>The timer is not set.</summary>
    internal const long Never = long.MaxValue;

    /// <summary>The timer fires. Later than every time, so nothing is due.</summary>
    internal const long Firing = long.MaxValue - 1;

    /// <summary>The loop looks at the timer.</summary>
    internal static (long Next, bool Fires) Look(long due, long now) => due <= now ? (Firing, true) : (due, false);

    /// <summary>
    /// The timer has fired and wants to be called again. What was set meanwhile counts too, whichever is earlier. A
    /// timer that was cancelled meanwhile stays cancelled.
    /// </summary>
    internal static long EndFire(long due, long next) => due switch
    {
        Never => Never,
        Firing => next == Firing ? Never : next,
        _ => Math.Min(due, next),
    };
}
