using System.Diagnostics.Metrics;
using KestrelEventLoopTransport.Loops.Adaptive;

namespace KestrelEventLoopTransport.Connections.Timing;

/// <summary>Counts the connections that have ended because of a limit, as an instrument.</summary>
internal sealed class TimeoutMetrics
{
    private const string Reason = "event_loop.timeout.reason";

    private static readonly (ConnectionLimit Limit, KeyValuePair<string, object?> Tag)[] _reasons =
    [
        (ConnectionLimit.IdleTimeout, new(Reason, "idle")),
        (ConnectionLimit.ReceiveIdleTimeout, new(Reason, "receive_idle")),
        (ConnectionLimit.SendStallTimeout, new(Reason, "send_stall")),
        (ConnectionLimit.FirstByteTimeout, new(Reason, "first_byte")),
        (ConnectionLimit.CloseTimeout, new(Reason, "close")),
        (ConnectionLimit.MaxConnectionLifetime, new(Reason, "lifetime")),
    ];

    private readonly long[] _counts = new long[(int)ConnectionLimit.MaxConnectionLifetime + 1];

    internal TimeoutMetrics(IMeterFactory meters)
        => meters.Create(LoopMetrics.MeterName).CreateObservableCounter(
            "event_loop.timed_out_connections", Observe, "{connection}",
            "Connections that have ended because of a time limit of their endpoint.");

    /// <summary>A connection has ended. Any thread calls.</summary>
    internal void Count(ConnectionLimit limit) => Interlocked.Increment(ref _counts[(int)limit]);

    private Measurement<long>[] Observe() => Array.ConvertAll(
        _reasons, reason => new Measurement<long>(Volatile.Read(ref _counts[(int)reason.Limit]), reason.Tag));
}
