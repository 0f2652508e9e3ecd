using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>The times of one connection: when its next tick is due, and when one of its time-outs has passed.</summary>
/// <remarks>
/// <para>
/// The reader and the output store when something was received and sent, and since when they wait. Only a look compares
/// these with the limits, so a look may find that a time-out begins later than was thought, and comes again then. The
/// limits of a flush that waits cause no looks while none does: <see cref="StartWaiting"/> asks for them.
/// </para>
/// <para>
/// What is due and what is asked for change together, under the lock of <see cref="FrameTimers"/>. So a tick that asks
/// for another time is never followed by one that was due before.
/// </para>
/// </remarks>
internal sealed class ConnectionTimer : FrameTimer
{
    private readonly FrameConnection _connection;
    private readonly FrameTimers _timers;
    private readonly FrameHandlerOptions _options;
    private long _tickAt = Never;
    private long _closingSince;
    private bool _isOver;

    // Why the connection ends: what Act has still to do.
    private ConnectionAbortedException? _reason;
    private bool _hasExpired;

    internal ConnectionTimer(FrameConnection connection, FrameTimers timers, FrameHandlerOptions options)
    {
        _connection = connection;
        _timers = timers;
        _options = options;
    }

    internal TimeProvider Clock => _timers.Clock;

    /// <summary>Whether a time-out has passed. The connection may end a little later.</summary>
    internal bool HasExpired
    {
        get
        {
            using (_timers.Enter())
            {
                return _hasExpired;
            }
        }
    }

    /// <summary>The time-outs count from now on.</summary>
    internal void Start()
    {
        var now = Clock.GetTimestamp();
        using (_timers.Enter())
        {
            // One that has passed already is found by the look.
            var passed = FindPassed(now, out var next);
            _timers.SetEarlier(this, passed is null ? next : now, now);
        }
    }

    /// <summary>Ticks begin, if there are any.</summary>
    internal void StartTicking()
    {
        if (_options.TickInterval is { } interval)
        {
            var now = Clock.GetTimestamp();
            using (_timers.Enter())
            {
                TickAfter(interval, now);
            }
        }
    }

    /// <summary>The next tick comes after a time, and none that is due already.</summary>
    internal void ChangeTick(TimeSpan next)
    {
        var now = Clock.GetTimestamp();
        using (_timers.Enter())
        {
            TickAfter(next, now);

            // A tick that became due while the last one ran was scheduled by an earlier tick.
            _connection.WithdrawTick();
        }
    }

    /// <summary>The connection is closing: it waits for the peer for the time of a close.</summary>
    internal void StartClosing()
    {
        if (_options.CloseTimeout is not { } timeout || Volatile.Read(ref _closingSince) != 0)
        {
            return;
        }

        var now = Clock.GetTimestamp();
        using (_timers.Enter())
        {
            if (!_isOver && _closingSince == 0)
            {
                _closingSince = Math.Max(1, now);
                _timers.SetEarlier(this, now + _timers.ToTimestamp(timeout), now);
            }
        }
    }

    /// <summary>A flush waits for the peer: <see cref="FrameConnection.SendWaitsSince"/> says since when.</summary>
    internal void StartWaiting()
    {
        // What waits when the connection begins to close is found by the look that StartClosing asks for.
        var closeTimeout = Volatile.Read(ref _closingSince) == 0 ? null : _options.CloseTimeout;
        if (Shorter(closeTimeout, _options.SendStallTimeout) is not { } timeout)
        {
            return;
        }

        var now = Clock.GetTimestamp();
        using (_timers.Enter())
        {
            if (!_isOver)
            {
                _timers.SetEarlier(this, now + _timers.ToTimestamp(timeout), now);
            }
        }
    }

    /// <summary>Nothing is due any more.</summary>
    internal void End()
    {
        using (_timers.Enter())
        {
            _isOver = true;
            _timers.Remove(this);
            _ = Interlocked.Exchange(ref _reason, null);
        }
    }

    internal override long Look(long now, out bool acts)
    {
        acts = false;
        if (_tickAt <= now)
        {
            _connection.AskForTick();

            // Ticks that were missed are skipped, and the others keep their distance.
            var interval = _timers.ToTimestamp(_options.TickInterval!.Value);
            _tickAt += (((now - _tickAt) / interval) + 1) * interval;
        }

        if (_hasExpired)
        {
            return _tickAt;
        }

        if (FindPassed(now, out var next) is not { } passed)
        {
            return Math.Min(_tickAt, next);
        }

        _hasExpired = true;
        _reason = TimedOut(passed);
        acts = true;
        return _tickAt;
    }

    protected override void Act()
    {
        if (Interlocked.Exchange(ref _reason, null) is { } reason)
        {
            _connection.Expire(reason);
        }
    }

    private void TickAfter(TimeSpan next, long now)
    {
        _tickAt = next == Timeout.InfiniteTimeSpan ? Never : now + _timers.ToTimestamp(next);
        _timers.SetEarlier(this, _tickAt, now);
    }

    /// <summary>Looks whether one of the time-outs has passed.</summary>
    /// <param name="now">The timestamp now.</param>
    /// <param name="next">When the next one passes, unless something happens until then.</param>
    /// <returns>The reason for the end of the connection, or null.</returns>
    private string? FindPassed(long now, out long next)
    {
        next = Never;

        // First, because the end of a wait counts as a send.
        var stalledSince = _connection.SendWaitsSince;
        var closingFor = _closingSince == 0 ? null : _options.CloseTimeout;
        if (stalledSince != 0 && HasPassed(closingFor, Math.Max(stalledSince, _closingSince), now, ref next))
        {
            return $"The connection is closing, and the peer has not read for {closingFor} (CloseTimeout).";
        }

        if (stalledSince != 0 && HasPassed(_options.SendStallTimeout, stalledSince, now, ref next))
        {
            return $"The peer has not read for {_options.SendStallTimeout} (SendStallTimeout).";
        }

        if (HasPassed(_options.ReceiveIdleTimeout, _connection.ReceiveWaitsSince, now, ref next))
        {
            return $"The peer has not sent anything for {_options.ReceiveIdleTimeout} (ReceiveIdleTimeout).";
        }

        if (HasPassed(_options.IdleTimeout, IdleSince(stalledSince, closingFor), now, ref next))
        {
            return $"Nothing was received or sent for {_options.IdleTimeout} (IdleTimeout).";
        }

        return null;
    }

    private bool HasPassed(TimeSpan? limit, long since, long now, ref long next)
    {
        if (limit is not { } time)
        {
            return false;
        }

        // What does not count now may count from the next moment on.
        var passesAt = (since == 0 ? now : since) + _timers.ToTimestamp(time);
        next = Math.Min(next, passesAt);
        return passesAt <= now;
    }

    /// <summary>
    /// What the peer takes is seen only when the flush ends. So a wait that has a limit of its own is not idle time.
    /// </summary>
    private long IdleSince(long stalledSince, TimeSpan? closingFor)
        => stalledSince != 0 && (closingFor ?? _options.SendStallTimeout) is not null
            ? 0
            : Math.Max(_connection.LastReceive, _connection.LastSend);

    private static TimeSpan? Shorter(TimeSpan? one, TimeSpan? other)
        => one is null || other < one ? other : one;
}
