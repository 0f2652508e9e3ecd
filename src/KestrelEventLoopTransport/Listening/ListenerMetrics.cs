using System.Diagnostics.Metrics;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Diagnostics;
using KestrelEventLoopTransport.Loops.Adaptive;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// What the listeners count, as instruments that read when they are asked. A listener that is bound again on its
/// address goes on with its counts, so that they only grow.
/// </summary>
/// <remarks>
/// A connection keeps its bytes itself, and its listener gets them when it ends. To ask for bytes is therefore to look
/// at each open connection.
/// </remarks>
internal sealed class ListenerMetrics
{
    private const string Prefix = "event_loop.listener.";

    // Each has two dozen time series. An application that binds to ever new ports would never stop adding some.
    private const int MaxRows = 100;

    private readonly Lock _lock = new();
    private readonly OrderedDictionary<string, ListenerRow> _rows = [];
    private readonly Meter _meter;

    internal ListenerMetrics(IMeterFactory meters)
    {
        _meter = meters.Create(LoopMetrics.MeterName);
        CreateCounters();
        _meter.CreateObservableUpDownCounter(
            Prefix + "connections", () => Observe(static row => [row.Measure(row.Connections)]),
            "{connection}", "Connections that are open, and those that wait for their PROXY header.");
        _meter.CreateObservableUpDownCounter(
            Prefix + "queue.connections",
            () => Observe(static row => row.Queue is { } queue ? [row.Measure(queue.Length)] : []),
            "{connection}", "Connections in the kernel's accept queue (Linux, TCP).");
        _meter.CreateObservableUpDownCounter(
            Prefix + "queue.limit",
            () => Observe(static row => row.Queue is { } queue ? [row.Measure(queue.Limit)] : []),
            "{connection}", "Number of connections that the kernel's accept queue may hold (Linux, TCP).");
        _meter.CreateObservableCounter(
            Prefix + "dropped_handshakes", () => Observe(static row => [row.Measure(row.Dropped)]),
            "{packet}", "Packets of handshakes that the kernel has dropped, mostly for want of room (Linux).");
        _meter.CreateObservableCounter(Prefix + "io", ObserveBytes, "By", "Bytes of the connections.");
        TcpInfo = new TcpInfoMetrics(_meter, Prefix);
    }

    /// <summary>Gets what the kernel knows of sampled connections.</summary>
    internal TcpInfoMetrics TcpInfo { get; }

    /// <summary>A listener is bound. It is observed from now on, until its last connection has ended.</summary>
    internal void Add(EventLoopListener listener)
    {
        var name = listener.EndPoint.ToString()!;
        lock (_lock)
        {
            SettleAll();
            if (!_rows.TryGetValue(name, out var row))
            {
                MakeRoom();
                row = new ListenerRow(listener.EndPoint);
                _rows.Add(name, row);
            }

            row.Add(listener);
        }
    }

    /// <summary>Forgets listeners that have ended, whether or not an exporter ever asks.</summary>
    internal void Settle()
    {
        lock (_lock)
        {
            SettleAll();
        }
    }

    private void SettleAll()
    {
        foreach (var row in _rows.Values)
        {
            row.Settle();
        }
    }

    /// <summary>Of very many addresses, the oldest that nothing listens on any more is forgotten.</summary>
    private void MakeRoom()
    {
        if (_rows.Count >= MaxRows
            && _rows.FirstOrDefault(static row => row.Value.HasEnded) is { Key: { } name })
        {
            _rows.Remove(name);
        }
    }

    private void CreateCounters()
    {
        Create(
            "accepted_connections", "{connection}", "Connections that were accepted and not refused.",
            ListenerCount.Accepted);
        Create(
            "refused_connections", "{connection}", "Connections that were closed immediately after accept.",
            ListenerCount.Refused);
        Create("failed_accepts", "{call}", "Calls of accept that have failed.", ListenerCount.Failed);
        Create(
            "pauses", "{pause}", "Times that accepting has paused.", ListenerCount.LimitPauses,
            "event_loop.pause.reason", "limit", "shortage", "untaken");
        Create(
            "closed_connections", "{connection}", "Connections whose socket is closed.", ListenerCount.Closed,
            "event_loop.close.reason",
            "completed", "peer_finished", "aborted", "reset", "timed_out", "failed");
        Create(
            "proxy_failures", "{connection}", "Connections that were closed for want of a valid PROXY header.",
            ListenerCount.ProxyFailures, "event_loop.proxy.reason",
            "untrusted", "empty", "truncated", "timed_out", "no_header", "wrong_version", "too_long", "malformed",
            "wrong_checksum", "stopped", "failed");
    }

    /// <summary>Creates a counter; with a tag, of as many counts as the tag has values.</summary>
    private void Create(
        string name, string unit, string description, ListenerCount first, string? tag = null, params string[] values)
    {
        KeyValuePair<string, object?>[] tags
            = [.. values.Select(value => new KeyValuePair<string, object?>(tag!, value))];
        _meter.CreateObservableCounter(
            Prefix + name,
            () => Observe(row => tag is null
                ? [row.Measure(row.Sum(first))]
                : tags.Select((value, i) => row.Measure(row.Sum(first + i), value))),
            unit,
            description);
    }

    private List<Measurement<long>> Observe(Func<ListenerRow, IEnumerable<Measurement<long>>> measure)
    {
        lock (_lock)
        {
            var all = new List<Measurement<long>>();
            foreach (var row in _rows.Values)
            {
                row.Settle();
                all.AddRange(measure(row));
            }

            return all;
        }
    }

    private List<Measurement<long>> ObserveBytes()
    {
        lock (_lock)
        {
            // Those of ended connections first. A connection that ends in between is missing then, and not there twice.
            var ended = new Dictionary<ListenerRow, Traffic>();
            foreach (var row in _rows.Values)
            {
                row.Settle();
                ended[row] = new(row.Sum(ListenerCount.ReceivedBytes), row.Sum(ListenerCount.SentBytes));
            }

            var open = SumOpen();
            var all = new List<Measurement<long>>();
            foreach (var row in _rows.Values)
            {
                var sum = row.SumBytes(ended[row], open);
                all.Add(row.Measure(sum.ReceivedBytes, LoopMetrics.Receive));
                all.Add(row.Measure(sum.SentBytes, LoopMetrics.Transmit));
            }

            return all;
        }
    }

    private Dictionary<IConnectionOwner, Traffic> SumOpen()
    {
        var open = new Dictionary<IConnectionOwner, Traffic>();
        var groups = _rows.Values.SelectMany(static row => row.Listeners).Select(static listener => listener.Group);
        foreach (var group in groups.Distinct())
        {
            foreach (var loop in group.Loops)
            {
                foreach (var connection in loop.ListPolled().OfType<StreamConnection>())
                {
                    open[connection.Owner] = open.GetValueOrDefault(connection.Owner) + connection.Traffic;
                }
            }
        }

        return open;
    }
}
