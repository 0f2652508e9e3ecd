namespace KestrelEventLoopTransport.Descriptors;

/// <summary>The states of <see cref="Readiness"/>.</summary>
[Flags]
internal enum ReadinessFlags
{
    None = 0,

    /// <summary>The poller has reported an edge, and no system call has answered it yet.</summary>
    Ready = 1 << 0,

    /// <summary>A thread is inside a system call. That thread sets the flag and clears it.</summary>
    Busy = 1 << 1,

    /// <summary>No further system call may begin, because the descriptor is about to be closed. Stays set.</summary>
    Stopped = 1 << 2,

    /// <summary>No system call is running and none will. Stays set.</summary>
    Released = 1 << 3,
}
