namespace KestrelEventLoopTransport;

/// <summary>
/// Which thread runs the application when a connection becomes readable or writable.
/// </summary>
public enum ApplicationScheduling
{
    /// <summary>
    /// The event loop's own thread runs the application, and a loop whose thread is stuck in a handler is handed to
    /// another thread within about a millisecond. As fast as <see cref="Inline"/>, and handlers may block. This is the
    /// default.
    /// </summary>
    Adaptive = 0,

    /// <summary>
    /// The application runs on the .NET thread pool, as with Kestrel's stock transport. Handlers may block.
    /// </summary>
    ThreadPool = 1,

    /// <summary>
    /// The event loop's own thread runs the application, come what may: a handler that blocks holds up every
    /// connection of its loop, and one that waits for work on the same loop deadlocks it. For applications that never
    /// block.
    /// </summary>
    Inline = 2,
}
