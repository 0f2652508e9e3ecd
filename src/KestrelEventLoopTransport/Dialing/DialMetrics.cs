using System.Diagnostics.Metrics;
using System.Net.Sockets;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Diagnostics;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Adaptive;

namespace KestrelEventLoopTransport.Dialing;

/// <summary>
/// Counts dials by their outcome, and the bytes of the connections that have come of them, as instruments. An open
/// connection keeps its bytes itself: to ask for bytes is to look at each.
/// </summary>
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

    private readonly Lock _lock = new();
    private EventLoopGroup? _group;
    private long _receivedByEnded;
    private long _sentByEnded;
    private Traffic _shown;

    internal DialMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(LoopMetrics.MeterName);
        meter.CreateObservableCounter(
            "event_loop.dials", Observe, "{dial}",
            "Connections that clients have tried to open, by how that has ended.");
        meter.CreateObservableCounter(
            "event_loop.client.io", ObserveBytes, "By", "Bytes of the connections of clients.");
    }

    /// <summary>A client has the loops. Those before them have no connections any more.</summary>
    internal void OnLoops(EventLoopGroup group) => Volatile.Write(ref _group, group);

    /// <summary>A connection of a client has ended. Any thread calls.</summary>
    internal void AddBytes(StreamConnection connection)
    {
        Interlocked.Add(ref _receivedByEnded, connection.ReceivedBytes);
        Interlocked.Add(ref _sentByEnded, connection.SentBytes);
    }

    /// <summary>A dial has ended. Any thread calls.</summary>
    /// <param name="failure">Why there is no connection; <see langword="null"/> if there is one.</param>
    internal void Count(Exception? failure) => Interlocked.Increment(ref _counts[(int)OutcomeOf(failure)]);

    private Measurement<long>[] ObserveBytes()
    {
        lock (_lock)
        {
            // Those of ended connections first. One that ends in between is missing then, and not there twice: so what
            // is shown is at least as much as the last time.
            var sum = new Traffic(Volatile.Read(ref _receivedByEnded), Volatile.Read(ref _sentByEnded));
            foreach (var loop in Volatile.Read(ref _group) is { } group ? group.Loops : [])
            {
                foreach (var connection in loop.ListPolled().OfType<StreamConnection>())
                {
                    if (connection.Owner is DialedConnections)
                    {
                        sum += connection.Traffic;
                    }
                }
            }

            _shown = Traffic.Max(_shown, sum);
            return [new(_shown.ReceivedBytes, LoopMetrics.Receive), new(_shown.SentBytes, LoopMetrics.Transmit)];
        }
    }

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
