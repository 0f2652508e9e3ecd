namespace KestrelEventLoopTransport;

/// <summary>What happens to connections beyond <see cref="EndpointOptions.MaxConnections"/>.</summary>
public enum MaxConnectionsPolicy
{
    /// <summary>
    /// They wait in the kernel's queue (<see cref="EndpointOptions.Backlog"/>) until one of the open ones ends. Beyond
    /// the queue the kernel lets clients retry. Those that still wait when the endpoint stops are reset.
    /// </summary>
    Pause = 0,

    /// <summary>They are accepted and reset at once, so that a client or balancer can turn elsewhere.</summary>
    Refuse = 1,
}
