using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Connections.Timing;

/// <summary>
/// The one timer of a connection: for its deadlines and its limits. A connection has it only if it has one of these.
/// </summary>
/// <remarks>
/// The lock makes a deadline and the flag that says that it has passed change together. So a deadline that is moved
/// while it passes has passed, or has not, and the flag says the same. No application code runs under the lock.
/// </remarks>
internal sealed class ConnectionTimer : LoopTimer
{
    private readonly StreamConnection _connection;
    private readonly Lock _lock = new();
    private LimitClocks _limits;
    private long _nextLook = Never;
    private long _stopsAt = Never;
    private long _readDue = Never;
    private long _writeDue = Never;
    private DateTimeOffset? _readDeadline;
    private DateTimeOffset? _writeDeadline;

    internal ConnectionTimer(StreamConnection connection, EventLoop loop, ConnectionLimits limits)
        : base(loop)
    {
        _connection = connection;
        _limits = new LimitClocks(limits);
        _limits.Start(LoopClock.After(0));
    }

    internal DateTimeOffset? ReadDeadline
    {
        get
        {
            lock (_lock)
            {
                return _readDeadline;
            }
        }
    }

    internal DateTimeOffset? WriteDeadline
    {
        get
        {
            lock (_lock)
            {
                return _writeDeadline;
            }
        }
    }

    /// <summary>Moves deadlines.</summary>
    /// <param name="reads">Whether that of reads.</param>
    /// <param name="writes">Whether that of flushes.</param>
    /// <param name="deadline">The deadline; null for none.</param>
    internal void SetDeadlines(bool reads, bool writes, DateTimeOffset? deadline)
    {
        lock (_lock)
        {
            var (due, hasPassed) = DueOf(deadline);
            if (reads)
            {
                _readDeadline = deadline;
                _readDue = due;
                MoveReads(hasPassed);
            }

            if (writes)
            {
                _writeDeadline = deadline;
                _writeDue = due;
                MoveWrites(hasPassed);
            }

            SetEarlier(due);
        }
    }

    /// <summary>The limits are looked at from now on, or again because something has changed.</summary>
    internal void Look()
    {
        lock (_lock)
        {
            // The look is made by the loop, so that nothing ends on the caller's stack.
            _nextLook = 0;
            SetEarlier(LoopClock.Now);
        }
    }

    /// <summary>
    /// A limit has ended the connection. Its halves are stopped after a time, if they are not before.
    /// </summary>
    /// <param name="time">The time in milliseconds.</param>
    internal void StopAfter(int time)
    {
        // Under the lock: a deadline that is set meanwhile comes before it, or finds that the connection is not open.
        lock (_lock)
        {
            Volatile.Write(ref _stopsAt, LoopClock.After(time));
            Set(_stopsAt);
        }
    }

    protected override long OnDue(long now)
    {
        if (!_connection.IsOpen)
        {
            // A deadline that was set before may pass first.
            var stopsAt = Volatile.Read(ref _stopsAt);
            if (stopsAt > now)
            {
                return stopsAt;
            }

            _connection.OnCallbacksOverdue();
            return Never;
        }

        bool looks;
        lock (_lock)
        {
            if (_readDue <= now)
            {
                _readDue = Never;
                MoveReads(hasPassed: true);
            }

            if (_writeDue <= now)
            {
                _writeDue = Never;
                MoveWrites(hasPassed: true);
            }

            looks = _nextLook <= now;
            if (looks)
            {
                _nextLook = Never;
            }
        }

        var wasExpiring = _limits.IsExpiring;
        var reached = looks ? LookAtLimits(now) : ConnectionLimit.None;
        long next;
        lock (_lock)
        {
            next = Math.Min(_nextLook, Math.Min(_readDue, _writeDue));
        }

        switch (reached)
        {
            case ConnectionLimit.None:
                return next;
            case ConnectionLimit.MaxConnectionLifetime when !wasExpiring:
                _connection.OnLifetimeOver();
                return next;
            default:
                _connection.OnLimit(reached);
                return Never;
        }
    }

    private ConnectionLimit LookAtLimits(long now)
    {
        // Without the lock: the look may release the descriptor.
        var activity = _connection.Look();
        lock (_lock)
        {
            // Only the loop looks, but another thread may have asked for the next look meanwhile.
            var reached = _limits.Look(now, LoopClock.After(0), activity, out var next);
            _nextLook = Math.Min(_nextLook, next);
            return reached;
        }
    }

    /// <summary>When a deadline passes by the loop's clock, and whether it has.</summary>
    private static (long Due, bool HasPassed) DueOf(DateTimeOffset? deadline)
    {
        if (deadline is not { } moment)
        {
            return (Never, false);
        }

        var left = moment - DateTimeOffset.UtcNow;
        return left <= TimeSpan.Zero
            ? (Never, true)
            : (LoopClock.After((long)Math.Ceiling(left.TotalMilliseconds)), false);
    }

    private void MoveReads(bool hasPassed)
    {
        if (hasPassed)
        {
            _connection.Input.Expire();
        }
        else
        {
            _connection.Input.Revive();
        }
    }

    private void MoveWrites(bool hasPassed)
    {
        if (hasPassed)
        {
            _connection.Output.Expire();
        }
        else
        {
            _connection.Output.Revive();
        }
    }

    /// <summary>
    /// Makes the loop call in time. A later time is not written down: the call finds that nothing is due, and says when
    /// the next one is. So a deadline that moves with each operation rarely costs more than this look.
    /// </summary>
    private void SetEarlier(long due)
    {
        if (due < Due && _connection.IsOpen)
        {
            Set(due);
        }
    }
}
