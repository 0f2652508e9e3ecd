using KestrelEventLoopTransport.Listening;
using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport;

/// <summary>
/// Shows what the transport is doing: its endpoints, its loops and their connections. An application that uses the
/// transport gets it as a singleton service.
/// </summary>
/// <remarks>
/// All members are thread-safe, and reading them does not disturb the loops. The names follow one rule: the monitor is
/// the service, an <see cref="EventLoopEndpoint"/> is a live object, and <see cref="EventLoopStatistics"/> are a
/// snapshot.
/// </remarks>
public sealed class EventLoopTransportMonitor
{
    private readonly Lock _lock = new();
    private EventLoopEndpoint[] _endpoints = [];
    private DatagramEndpoint[] _datagramEndpoints = [];
    private EventLoopGroup? _group;

    /// <summary>
    /// Creates a monitor for one <see cref="EventLoopTransportFactory"/>. It is empty until that factory binds an
    /// endpoint.
    /// </summary>
    public EventLoopTransportMonitor()
    {
    }

    /// <summary>
    /// The endpoints that are listening now. The list is a snapshot; the endpoints in it are live objects.
    /// </summary>
    public IReadOnlyList<EventLoopEndpoint> Endpoints => Volatile.Read(ref _endpoints);

    /// <summary>
    /// The datagram endpoints that are bound now. The list is a snapshot; the endpoints in it are live objects.
    /// </summary>
    public IReadOnlyList<DatagramEndpoint> DatagramEndpoints => Volatile.Read(ref _datagramEndpoints);

    /// <summary>
    /// Number of connections that are assigned to loops and are not yet disposed. Includes connections of endpoints
    /// that have stopped listening, and those that an <see cref="EventLoopConnectionFactory"/> has opened.
    /// </summary>
    public int ConnectionCount
    {
        get
        {
            var count = 0;
            foreach (var loop in GetLoopStatistics())
            {
                count += loop.ConnectionCount;
            }

            return count;
        }
    }

    /// <summary>The loops; <see langword="null"/> before the first listener or connection needs them.</summary>
    internal EventLoopGroup? Group
    {
        get => Volatile.Read(ref _group);
        private set => Volatile.Write(ref _group, value);
    }

    /// <summary>Counts the connections of each loop (gnet: <c>CountConnections</c>).</summary>
    /// <returns>
    /// One entry for each loop, in the order of the loops' numbers. Empty before the first endpoint is bound.
    /// </returns>
    public IReadOnlyList<EventLoopStatistics> GetLoopStatistics()
    {
        if (Group is not { } group)
        {
            return [];
        }

        var statistics = new EventLoopStatistics[group.Loops.Length];
        for (var i = 0; i < statistics.Length; i++)
        {
            var load = group.Loops[i].Load;
            statistics[i] = new EventLoopStatistics { ConnectionCount = load.Current, TotalConnections = load.Total };
        }

        return statistics;
    }

    internal void OnLoopsStarted(EventLoopGroup group) => Group = group;

    internal void Add(EventLoopListener listener)
    {
        lock (_lock)
        {
            Volatile.Write(ref _endpoints, [.. _endpoints, new EventLoopEndpoint(listener)]);
        }
    }

    internal void Remove(EventLoopListener listener)
    {
        lock (_lock)
        {
            Volatile.Write(ref _endpoints, [.. _endpoints.Where(endpoint => !endpoint.IsOf(listener))]);
        }
    }

    internal void Add(DatagramEndpoint endpoint)
    {
        lock (_lock)
        {
            Volatile.Write(ref _datagramEndpoints, [.. _datagramEndpoints, endpoint]);
        }
    }

    internal void Remove(DatagramEndpoint endpoint)
    {
        lock (_lock)
        {
            Volatile.Write(ref _datagramEndpoints, [.. _datagramEndpoints.Where(other => other != endpoint)]);
        }
    }
}
