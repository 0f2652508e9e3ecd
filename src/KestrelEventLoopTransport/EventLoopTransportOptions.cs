namespace KestrelEventLoopTransport;

/// <summary>
/// Options of the event-loop transport. They are read once, when the server starts.
/// </summary>
/// <remarks>
/// Values out of range stop the application at start with an
/// <see cref="Microsoft.Extensions.Options.OptionsValidationException"/> that names the option, the value and what
/// is allowed.
/// </remarks>
public sealed class EventLoopTransportOptions
{
    private int? _maxStandbyThreads;

    /// <summary>
    /// Number of event loops, each with one thread and one poller. From 1 to 1024. Default: the number of processors
    /// available to the process (<see cref="Environment.ProcessorCount"/>: affinity and cgroup limits respected).
    /// </summary>
    public int EventLoopCount { get; set; } = Math.Clamp(Environment.ProcessorCount, 1, 1024);

    /// <summary>
    /// Which thread runs the application. Default: <see cref="ApplicationScheduling.Adaptive"/>.
    /// </summary>
    public ApplicationScheduling Scheduling { get; set; } = ApplicationScheduling.Adaptive;

    /// <summary>
    /// How long a handler may keep its loop's thread before the loop goes on without it: after one to two times this
    /// long, output that the handler flushed is sent, and with <see cref="ApplicationScheduling.Adaptive"/> another
    /// thread takes the loop if the handler is blocked; after about a tenth of that while handlers block often. A
    /// handler that computes keeps the loop about ten times longer, unless a processor is free. From 100 microseconds
    /// to 1 second. Default: 1 millisecond.
    /// </summary>
    public TimeSpan HandOffThreshold { get; set; } = TimeSpan.FromMilliseconds(1);

    /// <summary>
    /// Most threads beside the ones that run loops, with <see cref="ApplicationScheduling.Adaptive"/>: each handler that
    /// blocks keeps one until it returns. When fewer than <see cref="EventLoopCount"/> are left, the application runs
    /// on the .NET thread pool until some are back, which then take back what still waits there. From <see cref="EventLoopCount"/> to 32767. Default: 128, or
    /// <see cref="EventLoopCount"/> if that is more.
    /// </summary>
    public int MaxStandbyThreads
    {
        get => _maxStandbyThreads ?? Math.Max(128, EventLoopCount);
        set => _maxStandbyThreads = value;
    }

    /// <summary>
    /// Length of the kernel's queue of connections that are established but not yet accepted, per listener: the
    /// second argument of <c>listen(2)</c>, which the kernel caps at <c>net.core.somaxconn</c>. At least 1.
    /// Default: 512.
    /// </summary>
    public int Backlog { get; set; } = 512;

    /// <summary>
    /// Whether small segments are sent at once (<c>TCP_NODELAY</c>, <c>tcp(7)</c>: Nagle's algorithm off). TCP only.
    /// Default: <see langword="true"/>.
    /// </summary>
    public bool NoDelay { get; set; } = true;

    /// <summary>
    /// Most bytes that are received ahead of the application. The connection receives only when the application reads,
    /// and then as much as the flow suggests, from one block of 4 KiB to 128 KiB, so values above that change nothing
    /// and values below 4 KiB mean one block. A peer that sends faster than the application reads is stopped by TCP.
    /// At least 1; <see langword="null"/> or 0 means unlimited. Default: 1 MiB.
    /// </summary>
    public long? MaxReadBufferSize { get; set; } = 1024 * 1024;

    /// <summary>
    /// Number of unsent bytes of a connection at which <c>FlushAsync</c> begins to wait; it completes when half of
    /// them are left. At least 1; <see langword="null"/> or 0 means unlimited. Default: 64 KiB.
    /// </summary>
    public long? MaxWriteBufferSize { get; set; } = 64 * 1024;
}
