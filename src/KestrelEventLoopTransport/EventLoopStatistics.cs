namespace KestrelEventLoopTransport;

/// <summary>
/// The connections of one event loop: a snapshot, from <see cref="EventLoopTransportMonitor.GetLoopStatistics"/>.
/// </summary>
public readonly record struct EventLoopStatistics
{
    /// <summary>Number of connections that are assigned to the loop and are not yet disposed.</summary>
    public int ConnectionCount { get; init; }

    /// <summary>Number of connections that have been assigned to the loop since it started.</summary>
    public long TotalConnections { get; init; }
}
