namespace KestrelEventLoopTransport.Connections.Timing;

/// <summary>
/// What a connection has done so far, as counts that it keeps anyway. Two looks at them tell whether anything has
/// happened in between, so that no operation reads a clock.
/// </summary>
internal readonly record struct ConnectionActivity
{
    /// <summary>Number of bytes received.</summary>
    internal long Received { get; init; }

    /// <summary>Whether something has arrived that is not received yet.</summary>
    internal bool HasArrived { get; init; }

    /// <summary>Whether the application waits for the peer.</summary>
    internal bool IsAwaited { get; init; }

    /// <summary>Which read waits.</summary>
    internal short Wait { get; init; }

    /// <summary>Whether the application has got the connection.</summary>
    internal bool IsTaken { get; init; }

    /// <summary>Whether the peer has finished sending, or is gone.</summary>
    internal bool PeerFinished { get; init; }

    /// <summary>
    /// A number that grows when the peer takes something: bytes that the kernel has taken, less those that it still
    /// holds. The kernel takes bytes in large steps when it is full, so the first number alone is too coarse.
    /// </summary>
    internal long Sent { get; init; }

    /// <summary>Number of bytes that wait for the kernel.</summary>
    internal long Unsent { get; init; }

    /// <summary>Whether the application has completed its output and the rest is still to be sent.</summary>
    internal bool IsDraining { get; init; }
}
