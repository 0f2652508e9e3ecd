using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Testing;

/// <summary>Reads the transport's instruments of one application, as an exporter of metrics does.</summary>
internal sealed class LoopInstruments : IDisposable
{
    private readonly Lock _lock = new();
    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, double> _last = new();
    private readonly ConcurrentQueue<double> _overdue = new();
    private readonly string[] _listenerTags = ["server.address", "server.port", "network.transport", "network.type"];

    public LoopInstruments(IServiceProvider services)
    {
        var factory = services.GetRequiredService<IMeterFactory>();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == "KestrelEventLoopTransport" && instrument.Meter.Scope == factory)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>(
            (instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>(OnMeasurement);
        _listener.Start();
    }

    public long BlockedHandOffs => (long)Read("event_loop.hand_offs/blocked");

    public long ComputingHandOffs => (long)Read("event_loop.hand_offs/computing");

    public long HandOffs => BlockedHandOffs + ComputingHandOffs;

    public long ParkedThreads => (long)Read("event_loop.standby_threads/parked");

    public long StuckThreads => (long)Read("event_loop.standby_threads/stuck");

    public TimeSpan LongestCallback => TimeSpan.FromSeconds(Read("event_loop.longest_callback"));

    /// <summary>Durations of callbacks that took longer than the threshold and have returned.</summary>
    public IReadOnlyCollection<double> OverdueSeconds => _overdue;

    /// <summary>Connections that have ended because of a time limit.</summary>
    public long TimedOutConnections(string reason) => (long)Read($"event_loop.timed_out_connections/{reason}");

    /// <summary>Connections that clients have tried to open.</summary>
    public long Dials(string outcome) => (long)Read($"event_loop.dials/{outcome}");

    public long ReceivedDatagrams => (long)Read("event_loop.datagrams.received");

    public long SentDatagrams => (long)Read("event_loop.datagrams.sent");

    /// <summary>Datagrams that were lost in this machine.</summary>
    public long DroppedDatagrams(string reason) => (long)Read($"event_loop.datagrams.dropped/{reason}");

    public void Dispose() => _listener.Dispose();

    /// <summary>
    /// What an instrument says now: <c>name</c>, or <c>name/tag</c> with the values of its tags. Listeners are added.
    /// </summary>
    public double Read(string name)
        => TryRead(name) ?? throw new InvalidOperationException($"{name} is not among {string.Join(' ', _last.Keys)}.");

    /// <summary>The same; null when the instrument has nothing to say.</summary>
    public double? TryRead(string name)
    {
        lock (_lock)
        {
            _last.Clear();
            _listener.RecordObservableInstruments();
            return _last.TryGetValue(name, out var value) ? value : null;
        }
    }

    private void OnMeasurement(
        Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state)
    {
        if (instrument.Name == "event_loop.overdue_callback.duration")
        {
            _overdue.Enqueue(value);
        }
        else
        {
            Add(instrument, value, tags);
        }
    }

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var name = instrument.Name;
        foreach (var tag in tags)
        {
            name += _listenerTags.Contains(tag.Key) ? "" : $"/{tag.Value}";
        }

        _last.AddOrUpdate(name, value, (_, other) => other + value);
    }
}
