namespace KestrelEventLoopTransport;

/// <summary>
/// Which thread runs the application when a connection becomes readable or writable.
/// </summary>
public enum ApplicationScheduling
{
    /// <summary>
    /// The application runs on the .NET thread pool, as with Kestrel's stock transport. Handlers may block.
    /// This is the default.
    /// </summary>
    ThreadPool = 0,

    /// <summary>
    /// The event loop's own thread runs the application. A request costs about half of what it costs on the thread
    /// pool, but a handler that blocks holds up every connection of its loop, and one that waits for work on the
    /// same loop deadlocks it. For applications that never block.
    /// </summary>
    Inline = 1,
}
