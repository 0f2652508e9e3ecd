using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>The times of one connection: when its next tick is due, and when one of its time-outs has passed.</summary>
/// <remarks>
/// <para>
/// The reader and the output store when something was received and sent, and since when they wait. Only a look compares
/// these with the limits, so a look may find that a time-out begins later than was thought, and comes again then.
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
    private bool _hasExpired;
    private ConnectionAbortedException? _reason;

    internal ConnectionTimer(FrameConnection connection, FrameTimers timers, FrameHandlerOptions options)
    {
        _connection = connection;
        _timers = timers;
        _options = options;
    }

    internal TimeProvider Clock => _timers.Clock;

    /// <summary>The time-outs count from now on.</summary>
    internal void Start()
    {
        using (_timers.Enter())
        {
            _timers.SetEarlier(this, LookAtLimits(Clock.GetTimestamp()));
        }
    }

    /// <summary>Ticks begin, if there are any.</summary>
    internal void StartTicking()
    {
        if (_options.TickInterval is { } interval)
        {
            using (_timers.Enter())
            {
                TickAfter(interval);
            }
        }
    }

    /// <summary>The next tick comes after a time, and none that is due already.</summary>
    internal void ChangeTick(TimeSpan next)
    {
        using (_timers.Enter())
        {
            TickAfter(next);

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

        using (_timers.Enter())
        {
            if (!_isOver)
            {
                var now = Clock.GetTimestamp();
                _closingSince = Math.Max(1, now);
                _timers.SetEarlier(this, now + _timers.ToTimestamp(timeout));
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
            Interlocked.Exchange(ref _reason, null);
        }
    }

    internal override long Look(long now)
    {
        if (_tickAt <= now)
        {
            _connection.AskForTick();

            // Ticks that were missed are skipped, and the others keep their distance.
            var interval = _timers.ToTimestamp(_options.TickInterval!.Value);
            _tickAt += (((now - _tickAt) / interval) + 1) * interval;
        }

        return Math.Min(_tickAt, _hasExpired ? Never : LookAtLimits(now));
    }

    internal override void Act()
    {
        if (_reason is not null && Interlocked.Exchange(ref _reason, null) is { } reason)
        {
            _connection.Expire(reason);
        }
    }

    private void TickAfter(TimeSpan next)
    {
        _tickAt = next == Timeout.InfiniteTimeSpan
            ? Never
            : Clock.GetTimestamp() + _timers.ToTimestamp(next);
        _timers.SetEarlier(this, _tickAt);
    }

    /// <summary>Returns when one of the time-outs passes, unless something happens until then.</summary>
    private long LookAtLimits(long now)
    {
        var next = Never;

        // First, because the end of a wait counts as a send.
        var stalledSince = _connection.SendWaitsSince;
        var closingFor = _closingSince == 0 ? null : _options.CloseTimeout;
        if (HasPassed(closingFor, Later(stalledSince, _closingSince), now, ref next))
        {
            Expire($"The connection is closing, and the peer has not read for {closingFor} (CloseTimeout).");
        }
        else if (HasPassed(_options.SendStallTimeout, stalledSince, now, ref next))
        {
            Expire($"The peer has not read for {_options.SendStallTimeout} (SendStallTimeout).");
        }
        else if (HasPassed(_options.ReceiveIdleTimeout, _connection.ReceiveWaitsSince, now, ref next))
        {
            Expire($"The peer has not sent anything for {_options.ReceiveIdleTimeout} (ReceiveIdleTimeout).");
        }
        else if (HasPassed(_options.IdleTimeout, IdleSince(stalledSince, closingFor), now, ref next))
        {
            Expire($"Nothing was received or sent for {_options.IdleTimeout} (IdleTimeout).");
        }

        return _hasExpired ? Never : next;
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

    private static long Later(long waitsSince, long other) => waitsSince == 0 ? 0 : Math.Max(waitsSince, other);

    private void Expire(string reason)
    {
        _hasExpired = true;
        _reason = new ConnectionAbortedException(reason, new TimeoutException(reason));
    }
}
