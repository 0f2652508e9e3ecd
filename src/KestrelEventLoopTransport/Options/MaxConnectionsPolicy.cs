namespace KestrelEventLoopTransport;

/// <summary>What happens to connections beyond <see cref="EndpointOptions.MaxConnections"/>.</summary>
public enum MaxConnectionsPolicy
{
    /// <summary>
    /// They wait in the kernel's accept queue (<see cref="EndpointOptions.Backlog"/>) until an open connection ends.
    /// If that queue is full, the kernel makes clients retry. Connections that are still in the queue when the endpoint
    /// stops are reset.
    /// </summary>
    Pause = 0,

    /// <summary>
    /// They are accepted and reset immediately, so that a client or load balancer can try another server.
    /// </summary>
    Refuse = 1,
}
