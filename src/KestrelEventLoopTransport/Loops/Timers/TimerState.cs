namespace KestrelEventLoopTransport.Loops.Timers;

/// <summary>
/// When a loop looks at a timer next, and whether a thread has undertaken to make it look. Beside it, the timer has the
/// time at which it is due: any thread writes that one, and it may be later.
/// </summary>
/// <remarks>
/// <para>Legal states:</para>
/// <list type="table">
/// <item><term>idle</term><description>The loop does not look: the timer is nowhere.</description></item>
/// <item><term>filed</term>
/// <description>The timer is in the loop's wheel; the time at which the loop looks.</description></item>
/// <item><term>claimed</term>
/// <description>The loop looks as soon as it can: the timer is posted to it, or the loop is looking. When the loop has
/// ended, for good.</description>
/// </item>
/// </list>
/// <para>
/// Exactly one thread moves the timer to claimed, and that one posts it, or looks if it runs the loop. Only the look
/// moves it on, to filed or idle. So a timer is looked at by one thread at a time, and is posted at most once.
/// </para>
/// <para>
/// No time is lost. A thread that sets the timer writes when it is due and then looks at the state. The loop files the
/// timer and then looks once more when it is due: it looks again if that is earlier now, or if the timer is not wanted
/// any more. A timer that is moved to a later time stays where it is until the loop looks.
/// </para>
/// </remarks>
/// <param name="LooksAt">The time, or one of two values that are no time.</param>
internal readonly record struct TimerState(long LooksAt)
{
    /// <summary>The timer is nowhere.</summary>
    internal static TimerState Idle => new(long.MaxValue);

    /// <summary>The loop looks as soon as it can. Earlier than every time.</summary>
    internal static TimerState Claimed => new(-1);

    internal bool IsClaimed => LooksAt < 0;

    internal bool IsFiled => !IsClaimed && this != Idle;

    /// <summary>For assertions: there is one negative value.</summary>
    internal bool IsLegal => LooksAt >= -1;

    /// <summary>The timer has been set. It is claimed if the loop would look too late.</summary>
    internal (TimerState Next, bool Claims) Set(long due) => LooksAt > due ? (Claimed, true) : (this, false);

    /// <summary>The slot of the timer has begun, or it is not wanted any more. It is claimed if it is filed.</summary>
    internal (TimerState Next, bool Claims) Take() => IsFiled ? (Claimed, true) : (this, false);

    /// <summary>A look ends. Only from claimed.</summary>
    /// <param name="looksAt">When the loop looks next, or the time of <see cref="Idle"/>.</param>
    internal static TimerState File(long looksAt) => new(looksAt);
}
