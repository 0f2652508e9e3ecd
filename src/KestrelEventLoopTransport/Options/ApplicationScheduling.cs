namespace KestrelEventLoopTransport;

/// <summary>
/// Which thread runs the application when a connection becomes readable or writable.
/// </summary>
/// <seealso cref="EventLoopTransportOptions.Scheduling"/>
public enum ApplicationScheduling
{
    /// <summary>
    /// The loop's own thread runs the application, which saves a switch to the thread pool. Handlers may block: if a
    /// handler blocks the loop's thread, another thread takes over the loop within about a millisecond. See
    /// <see cref="AdaptiveSchedulingOptions"/>. This is the default.
    /// </summary>
    Adaptive = 0,

    /// <summary>
    /// The .NET thread pool runs the application, as with Kestrel's socket transport. Handlers may block.
    /// </summary>
    ThreadPool = 1,

    /// <summary>
    /// The loop's own thread runs the application, even if a handler blocks. A blocked handler stops every connection
    /// of its loop, and a handler that waits for work of the same loop causes a deadlock. Use it only if handlers never
    /// block.
    /// </summary>
    Inline = 2,
}
