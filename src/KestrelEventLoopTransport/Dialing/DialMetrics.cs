using System.Diagnostics.Metrics;
using System.Net.Sockets;
using KestrelEventLoopTransport.Loops.Adaptive;

namespace KestrelEventLoopTransport.Dialing;

/// <summary>Counts dials by their outcome, as an instrument.</summary>
internal sealed class DialMetrics
{
    private const string Outcome = "event_loop.dial.outcome";

    private static readonly (DialOutcome Outcome, KeyValuePair<string, object?> Tag)[] _outcomes =
    [
        (DialOutcome.Connected, new(Outcome, "connected")),
        (DialOutcome.Canceled, new(Outcome, "canceled")),
        (DialOutcome.TimedOut, new(Outcome, "timed_out")),
        (DialOutcome.Refused, new(Outcome, "refused")),
        (DialOutcome.Unreachable, new(Outcome, "unreachable")),
        (DialOutcome.NotResolved, new(Outcome, "not_resolved")),
        (DialOutcome.Failed, new(Outcome, "failed")),
    ];

    private readonly long[] _counts = new long[(int)DialOutcome.Failed + 1];

    internal DialMetrics(IMeterFactory meters)
        => meters.Create(LoopMetrics.MeterName).CreateObservableCounter(
            "event_loop.dials", Observe, "{dial}",
            "Connections that clients have tried to open, by how that has ended.");

    /// <summary>A dial has ended. Any thread calls.</summary>
    /// <param name="failure">Why there is no connection; <see langword="null"/> if there is one.</param>
    internal void Count(Exception? failure) => Interlocked.Increment(ref _counts[(int)OutcomeOf(failure)]);

    private static DialOutcome OutcomeOf(Exception? failure) => failure switch
    {
        null => DialOutcome.Connected,
        OperationCanceledException => DialOutcome.Canceled,
        SocketException socket => OutcomeOf(socket.SocketErrorCode),
        _ => DialOutcome.Failed,
    };

    private static DialOutcome OutcomeOf(SocketError error) => error switch
    {
        SocketError.TimedOut => DialOutcome.TimedOut,
        SocketError.ConnectionRefused => DialOutcome.Refused,
        SocketError.HostUnreachable or SocketError.NetworkUnreachable => DialOutcome.Unreachable,
        SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain or SocketError.NoRecovery
            => DialOutcome.NotResolved,
        _ => DialOutcome.Failed,
    };

    private Measurement<long>[] Observe() => Array.ConvertAll(
        _outcomes, outcome => new Measurement<long>(Volatile.Read(ref _counts[(int)outcome.Outcome]), outcome.Tag));
}
