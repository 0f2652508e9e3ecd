namespace KestrelEventLoopTransport;

/// <summary>The connections of one loop, as they were when asked for.</summary>
/// <param name="ConnectionCount">Connections that are assigned to the loop and not yet disposed of.</param>
/// <param name="TotalConnections">Connections that were ever assigned to it.</param>
public readonly record struct EventLoopState(int ConnectionCount, long TotalConnections);
