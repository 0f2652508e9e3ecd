using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Connections.Timing;

/// <summary>
/// The clocks of a connection's limits. Pure: <see cref="Look"/> is given the time and the connection's counts, and
/// says what is reached and when to look again.
/// </summary>
/// <param name="limits">The limits.</param>
internal struct LimitClocks(ConnectionLimits limits)
{
    // Both ways; what the reader waits for; what the output waits for; the same since the output is completed.
    private StandstillClock _idle;
    private StandstillClock _receiving;
    private StandstillClock _sending;
    private StandstillClock _closing;
    private long _accepted;

    /// <summary>Whether a look has found that the life is over.</summary>
    internal bool IsExpiring { get; private set; }

    /// <summary>The connection is accepted.</summary>
    internal void Start(long now) => _accepted = now;

    /// <summary>The first limit that the connection has reached.</summary>
    /// <param name="now">A time before the counts were read: so long they have certainly stood still.</param>
    /// <param name="seen">A time after the counts were read: until then they may have moved.</param>
    /// <param name="activity">What the connection has done so far.</param>
    /// <param name="next">When to look again.</param>
    internal ConnectionLimit Look(long now, long seen, in ConnectionActivity activity, out long next)
    {
        next = LoopTimer.Never;
        var idleMark = activity.Received + activity.Sent;
        var receiveMark = (activity.Received << 16) | (ushort)activity.Wait;
        var closes = activity.IsDraining && limits.Close != LoopTimer.Never;
        var waits = activity.Unsent > 0;
        return LookAtFirstByte(now, activity, ref next) ? ConnectionLimit.FirstByteTimeout
            : closes && _closing.IsReached(now, seen, limits.Close, waits, activity.Sent, ref next)
                ? ConnectionLimit.CloseTimeout
            : !closes && _sending.IsReached(now, seen, limits.SendStall, waits, activity.Sent, ref next)
                ? ConnectionLimit.SendStallTimeout
            : _receiving.IsReached(now, seen, limits.ReceiveIdle, activity.IsAwaited, receiveMark, ref next)
                ? ConnectionLimit.ReceiveIdleTimeout
            : _idle.IsReached(now, seen, limits.Idle, activity.IsTaken, idleMark, ref next)
                ? ConnectionLimit.IdleTimeout
            : LookAtLifetime(now, ref next) ? ConnectionLimit.MaxConnectionLifetime
            : ConnectionLimit.None;
    }

    private readonly bool LookAtFirstByte(long now, in ConnectionActivity activity, ref long next)
    {
        if (limits.FirstByte == LoopTimer.Never || activity.Received > 0 || activity.PeerFinished)
        {
            return false;
        }

        var due = _accepted + limits.FirstByte;
        if (due <= now && !activity.HasArrived)
        {
            return true;
        }

        // What has arrived is received soon, unless there is no memory.
        next = Math.Min(next, due > now ? due : now + limits.FirstByte);
        return false;
    }

    /// <summary>
    /// True when the life is over: the first time, when the application is to close the connection, and again after the
    /// close time-out, when it has not.
    /// </summary>
    private bool LookAtLifetime(long now, ref long next)
    {
        if (limits.Lifetime == LoopTimer.Never)
        {
            return false;
        }

        var over = _accepted + limits.Lifetime;
        var overdue = limits.Close == LoopTimer.Never ? LoopTimer.Never : over + limits.Close;
        var isOver = now >= (IsExpiring ? overdue : over);
        IsExpiring |= isOver;
        next = Math.Min(next, IsExpiring ? overdue : over);
        return isOver;
    }
}
