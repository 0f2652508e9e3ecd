namespace KestrelEventLoopTransport;

/// <summary>
/// Chooses the loop that serves a connection. A connection stays on its loop until it ends.
/// </summary>
/// <seealso cref="EndpointOptions.LoadBalancingPolicy"/>
public enum LoadBalancingPolicy
{
    /// <summary>Each loop in turn. All endpoints with this policy share one counter.</summary>
    RoundRobin = 0,

    /// <summary>
    /// The loop with the fewest connections of all endpoints. A connection counts from its assignment until it is
    /// disposed, so connections that arrive in a burst are spread as well.
    /// </summary>
    LeastConnections = 1,

    /// <summary>
    /// The loop is chosen by a hash of the client's IP address, without the port. All connections of one client have
    /// the same loop. All clients behind one proxy share a loop, and a client with many addresses can choose its loop.
    /// Clients of a Unix socket have no address; they are served by each loop in turn.
    /// </summary>
    SourceAddressHash = 2,
}
