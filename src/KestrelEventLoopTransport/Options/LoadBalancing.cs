namespace KestrelEventLoopTransport;

/// <summary>Which loop serves a connection, for as long as it lives.</summary>
public enum LoadBalancing
{
    /// <summary>Each loop in turn. The counter is one for all endpoints with this policy.</summary>
    RoundRobin = 0,

    /// <summary>
    /// The loop with the fewest connections, of all endpoints. A connection counts from when it is assigned, so a burst
    /// is spread too, until it is disposed of.
    /// </summary>
    LeastConnections = 1,

    /// <summary>
    /// One loop for all connections of a client, by its IP address without the port. Clients behind one proxy share a
    /// loop, and who owns many addresses can choose a loop. Unix clients have no address; theirs go round robin.
    /// </summary>
    SourceAddressHash = 2,
}
