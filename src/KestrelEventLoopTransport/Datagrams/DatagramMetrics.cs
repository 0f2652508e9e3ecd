using System.Diagnostics.Metrics;
using KestrelEventLoopTransport.Loops.Adaptive;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// What datagram endpoints and clients count, as instruments. They add up the counters when they are observed, so that
/// a datagram pays nothing. Endpoints that have stopped stay in the sums.
/// </summary>
internal sealed class DatagramMetrics
{
    private const string Reason = "event_loop.datagram.drop_reason";

    private static readonly KeyValuePair<string, object?> _receiveBuffer = new(Reason, "receive_buffer_full");
    private static readonly KeyValuePair<string, object?> _sendQueue = new(Reason, "send_queue_full");
    private static readonly KeyValuePair<string, object?> _refused = new(Reason, "send_failed");

    private readonly Lock _lock = new();
    private readonly List<DatagramEndpoint> _endpoints = [];
    private DatagramCounts _stopped;

    internal DatagramMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(LoopMetrics.MeterName);
        meter.CreateObservableCounter(
            "event_loop.datagrams.received", () => Read().Received, "{datagram}",
            "Datagrams that endpoints and clients have received.");
        meter.CreateObservableCounter(
            "event_loop.datagrams.sent", () => Read().Sent, "{datagram}",
            "Datagrams of endpoints and clients that the kernel has taken.");
        meter.CreateObservableCounter(
            "event_loop.datagrams.dropped", ObserveDropped, "{datagram}",
            "Datagrams that were lost in this machine, by the place: the socket's receive buffer, the send queue, or a "
                + "refusal of the kernel to send.");
    }

    internal void Add(DatagramEndpoint endpoint)
    {
        lock (_lock)
        {
            _endpoints.Add(endpoint);
        }
    }

    /// <summary>The endpoint has stopped: its counters change no more.</summary>
    internal void Remove(DatagramEndpoint endpoint)
    {
        lock (_lock)
        {
            if (_endpoints.Remove(endpoint))
            {
                _stopped += endpoint.Counts;
            }
        }
    }

    private DatagramCounts Read()
    {
        lock (_lock)
        {
            return _endpoints.Aggregate(_stopped, static (sum, endpoint) => sum + endpoint.Counts);
        }
    }

    private Measurement<long>[] ObserveDropped()
    {
        var counts = Read();
        return
        [
            new(counts.KernelDrops, _receiveBuffer),
            new(counts.DroppedSends, _sendQueue),
            new(counts.FailedSends, _refused),
        ];
    }
}
