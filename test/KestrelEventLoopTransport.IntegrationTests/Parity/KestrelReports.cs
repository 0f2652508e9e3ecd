using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Diagnostics.Tracing;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.IntegrationTests.Parity;

/// <summary>
/// What Kestrel and ASP.NET Core report of one application: each measurement with its tags, each event with its
/// payload. The event source is the process's: no other server may run meanwhile.
/// </summary>
internal sealed partial class KestrelReports : EventListener
{
    private static readonly string[] _meters =
    [
        "Microsoft.AspNetCore.Server.Kestrel", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Http.Connections",
    ];

    private static readonly string[] _ids = ["connectionId", "requestId"];

    private readonly ConcurrentQueue<string> _lines = new();
    private readonly ConcurrentDictionary<string, double> _counters = new();
    private readonly MeterListener _meterListener = new();
    private long _openConnections;
    private long _ticks;

    /// <summary>Connections that Kestrel counts now.</summary>
    public long OpenConnections => Interlocked.Read(ref _openConnections);

    public void Start(IServiceProvider services)
    {
        var factory = services.GetRequiredService<IMeterFactory>();
        _meterListener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == factory && _meters.Contains(instrument.Meter.Name))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _meterListener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            if (instrument.Name == "kestrel.active_connections")
            {
                Interlocked.Add(ref _openConnections, value);
            }

            Add(instrument, value.ToString("+0;-0", CultureInfo.InvariantCulture), tags);
        });

        // Durations: what is the same is how often they are recorded, and with which tags.
        _meterListener.SetMeasurementEventCallback<double>((instrument, value, tags, _) =>
            Add(instrument, value >= 0 ? instrument.Unit! : "negative", tags));
        _meterListener.Start();
    }

    /// <summary>Waits until something is reported.</summary>
    public Task UntilReportedAsync(string text)
        => Poll.UntilAsync(() => _lines.Any(line => line.Contains(text, StringComparison.Ordinal)));

    /// <summary>All lines in the order of the alphabet, with names in place of ports and paths.</summary>
    public string[] Read(IReadOnlyDictionary<string, string> names)
        => [.. _lines.Select(line => Normalize(line, names)).Order(StringComparer.Ordinal)];

    /// <summary>The counters of the event source, all of them sampled after the call.</summary>
    public async Task<Dictionary<string, double>> ReadCountersAsync()
    {
        // The tick that runs just now may have sampled some of them before.
        var last = Interlocked.Read(ref _ticks) + 2;
        await Poll.UntilAsync(() => Interlocked.Read(ref _ticks) >= last);
        return new Dictionary<string, double>(_counters);
    }

    public override void Dispose()
    {
        _meterListener.Dispose();
        base.Dispose();
    }

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == "Microsoft-AspNetCore-Server-Kestrel")
        {
            var arguments = new Dictionary<string, string?> { ["EventCounterIntervalSec"] = "0.05" };
            EnableEvents(eventSource, EventLevel.Verbose, EventKeywords.All, arguments);
        }
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        switch (eventData.EventName)
        {
            case "EventCounters":
                AddCounter((IDictionary<string, object?>)eventData.Payload![0]!);
                break;

            // What the application has set, of each server of the process.
            case "Configuration":
                break;

            default:
                AddEvent(eventData);
                break;
        }
    }

    private static string Normalize(string line, IReadOnlyDictionary<string, string> names)
    {
        foreach (var (text, name) in names)
        {
            line = Regex.Replace(line, $@"(?<![0-9]){Regex.Escape(text)}(?![0-9])", name);
        }

        return ClientPort().Replace(line, "$1:client");
    }

    private void AddEvent(EventWrittenEventArgs eventData)
    {
        var payload = eventData.PayloadNames!.Zip(eventData.Payload!, static (name, value)
            => _ids.Contains(name) ? $"{name}={(value is string { Length: > 0 } ? "id" : "none")}" : $"{name}={value}");
        _lines.Enqueue($"event {eventData.EventName}: {string.Join(' ', payload)}");
    }

    private void Add(Instrument instrument, string value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var texts = tags.ToArray().OrderBy(static tag => tag.Key).Select(static tag => $"{tag.Key}={tag.Value}");
        _lines.Enqueue($"{instrument.Name} {value}: {string.Join(' ', texts)}");
    }

    // Rates are of the totals.
    private void AddCounter(IDictionary<string, object?> counter)
    {
        var name = (string)counter["Name"]!;
        if (counter.TryGetValue("Mean", out var value))
        {
            _counters[name] = (double)value!;
        }

        // One of the counters stands for all of a tick.
        if (name == "total-connections")
        {
            Interlocked.Increment(ref _ticks);
        }
    }

    [GeneratedRegex(@"(127\.0\.0\.1\]?|::1\]):\d+")]
    private static partial Regex ClientPort();
}
