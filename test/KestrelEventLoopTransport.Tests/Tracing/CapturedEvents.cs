using System.Collections.Concurrent;
using System.Diagnostics.Tracing;
using KestrelEventLoopTransport.Diagnostics;

namespace KestrelEventLoopTransport.Tests.Tracing;

/// <summary>
/// Listens to the transport's event source, which is one for the process: other tests' events come too.
/// </summary>
internal sealed class CapturedEvents : EventListener
{
    private readonly ConcurrentQueue<EventWrittenEventArgs> _events = new();
    private readonly ConcurrentDictionary<string, double> _counters = new();

    public CapturedEvents(EventLevel level, EventKeywords keywords, bool counts = false)
        => EnableEvents(
            EventLoopEventSource.Log,
            level,
            keywords,
            counts ? new Dictionary<string, string?> { ["EventCounterIntervalSec"] = "0.1" } : null);

    public IEnumerable<EventWrittenEventArgs> All => _events;

    public IEnumerable<EventWrittenEventArgs> Of(string name) => _events.Where(each => each.EventName == name);

    /// <summary>The last value of a counter; null before the first one.</summary>
    public double? Counter(string name) => _counters.TryGetValue(name, out var value) ? value : null;

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        if (eventData.EventName == "EventCounters")
        {
            var counter = (IDictionary<string, object?>)eventData.Payload![0]!;
            _counters[(string)counter["Name"]!] = (double)counter["Mean"]!;
        }
        else
        {
            _events.Enqueue(eventData);
        }
    }
}
