using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Diagnostics;

namespace KestrelEventLoopTransport.Listening;

/// <summary>The listeners on one address, those that have ended too, as one row of the metrics.</summary>
internal sealed class ListenerRow(EndPoint endPoint)
{
    private readonly KeyValuePair<string, object?>[] _tags = [.. TagsOf(endPoint)];
    private readonly List<EventLoopListener> _listeners = [];
    private readonly ListenerCounts _ended = new();
    private Traffic _shown;

    internal IEnumerable<EventLoopListener> Listeners => _listeners;

    /// <summary>Whether the row only keeps counts.</summary>
    internal bool HasEnded => _listeners.Count == 0;

    internal long Connections => _listeners.Sum(static listener => (long)listener.Limiter.Current);

    /// <summary>The kernel's accept queues; null when they are not known.</summary>
    internal KernelQueue? Queue => KernelQueue.Sum(_listeners.Select(static listener => listener.ReadQueue()));

    internal long Dropped => _ended[ListenerCount.Dropped] + _listeners.Sum(static listener => listener.CountDropped());

    internal void Add(EventLoopListener listener) => _listeners.Add(listener);

    /// <summary>Keeps the counts of listeners that have ended, and forgets the listeners.</summary>
    internal void Settle()
    {
        for (var i = _listeners.Count - 1; i >= 0; i--)
        {
            if (_listeners[i].HasEnded)
            {
                _ended.Add(_listeners[i].Limiter.Counts);
                _listeners.RemoveAt(i);
            }
        }
    }

    internal long Sum(ListenerCount count)
        => _ended[count] + _listeners.Sum(listener => listener.Limiter.Counts[count]);

    /// <summary>
    /// The bytes of all connections, with those of the open ones. A connection that ends in this moment may be missing:
    /// then it is as many as the last time.
    /// </summary>
    /// <param name="ended">The bytes of connections that had ended before the open ones were asked.</param>
    /// <param name="open">The bytes of the open connections of each owner.</param>
    internal Traffic SumBytes(Traffic ended, Dictionary<IConnectionOwner, Traffic> open)
    {
        var sum = _listeners.Aggregate(ended, (all, listener) => all + open.GetValueOrDefault(listener.Limiter));
        return _shown = Traffic.Max(_shown, sum);
    }

    internal Measurement<long> Measure(long value, params ReadOnlySpan<KeyValuePair<string, object?>> tags)
        => new(value, [.. _tags, .. tags]);

    /// <summary>The tags of Kestrel's own instruments.</summary>
    internal static IEnumerable<KeyValuePair<string, object?>> TagsOf(EndPoint endPoint)
    {
        if (endPoint is not IPEndPoint ip)
        {
            yield return new("server.address", endPoint.ToString());
            yield return new("network.transport", "unix");
            yield break;
        }

        yield return new("server.address", ip.Address.ToString());
        yield return new("server.port", ip.Port);
        yield return new("network.transport", "tcp");
        yield return new("network.type", ip.AddressFamily == AddressFamily.InterNetwork ? "ipv4" : "ipv6");
    }
}
