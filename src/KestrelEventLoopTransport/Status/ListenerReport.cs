namespace KestrelEventLoopTransport.Status;

/// <summary>A listener, as the page shows it.</summary>
/// <param name="Address">The address.</param>
/// <param name="Connections">Open connections.</param>
/// <param name="MaxConnections">The most at a time; null for no limit.</param>
/// <param name="Accepted">Connections that were accepted and not refused.</param>
/// <param name="Refused">Connections that were closed immediately after accept.</param>
/// <param name="Failed">Failed calls of accept.</param>
/// <param name="Pauses">Times that accepting has paused.</param>
/// <param name="QueueLength">Connections in the kernel's queue; null when it is not known.</param>
/// <param name="QueueLimit">The most that the queue may hold; null when it is not known.</param>
/// <param name="Dropped">Packets of handshakes that the kernel has dropped.</param>
internal sealed record ListenerReport(
    string Address,
    int Connections,
    int? MaxConnections,
    long Accepted,
    long Refused,
    long Failed,
    long Pauses,
    long? QueueLength,
    long? QueueLimit,
    long Dropped);
