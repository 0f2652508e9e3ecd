using KestrelEventLoopTransport.Loops.Timers;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Connections.Timing;

/// <summary>
/// The time limits of a listener's connections, in milliseconds. One that is not set is
/// <see cref="LoopTimer.Never"/>.
/// </summary>
internal sealed class ConnectionLimits
{
    private readonly EndpointOptions _options;
    private readonly TimeoutMetrics _metrics;

    internal ConnectionLimits(EndpointOptions options, TimeoutMetrics metrics)
    {
        _options = options;
        _metrics = metrics;
        Idle = ToMilliseconds(options.IdleTimeout);
        ReceiveIdle = ToMilliseconds(options.ReceiveIdleTimeout);
        SendStall = ToMilliseconds(options.SendStallTimeout);
        FirstByte = ToMilliseconds(options.FirstByteTimeout);
        Close = ToMilliseconds(options.CloseTimeout);
        Lifetime = ToMilliseconds(options.MaxConnectionLifetime);
        RunFromAccept = Math.Min(Math.Min(Idle, ReceiveIdle), Math.Min(SendStall, Math.Min(FirstByte, Lifetime)))
            != LoopTimer.Never;
    }

    internal long Idle { get; }

    internal long ReceiveIdle { get; }

    internal long SendStall { get; }

    internal long FirstByte { get; }

    internal long Close { get; }

    internal long Lifetime { get; }

    /// <summary>Whether a connection needs a timer from the start, and not only when it closes.</summary>
    internal bool RunFromAccept { get; }

    /// <summary>Whether a connection that drains needs a timer.</summary>
    internal bool DrainIsLimited => Close != LoopTimer.Never;

    /// <summary>A connection has ended because of a limit.</summary>
    internal void Count(ConnectionLimit limit) => _metrics.Count(limit);

    /// <summary>Why a connection ends. An operator reads it: it names the option and its value.</summary>
    internal ConnectionAbortedException ReasonFor(ConnectionLimit limit)
    {
        var (value, what) = limit switch
        {
            ConnectionLimit.IdleTimeout => (_options.IdleTimeout, "nothing was sent or received"),
            ConnectionLimit.ReceiveIdleTimeout => (_options.ReceiveIdleTimeout, "the peer sent nothing"),
            ConnectionLimit.SendStallTimeout => (_options.SendStallTimeout, "the peer took nothing"),
            ConnectionLimit.FirstByteTimeout => (_options.FirstByteTimeout, "the peer sent no first byte"),
            ConnectionLimit.CloseTimeout
                => (_options.CloseTimeout, "the connection was closing and the peer took nothing"),
            _ => (_options.MaxConnectionLifetime, "the connection was open"),
        };
        var message = $"{limit}: {what} for {value}.";
        return new ConnectionAbortedException($"The connection timed out. {message}", new TimeoutException(message));
    }

    // Times are whole milliseconds from 1: the validator sees to that.
    private static long ToMilliseconds(TimeSpan? time)
        => time is { } value ? value.Ticks / TimeSpan.TicksPerMillisecond : LoopTimer.Never;
}
