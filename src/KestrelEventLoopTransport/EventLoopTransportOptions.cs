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
    /// <summary>
    /// Number of event loops, each with one thread and one poller. From 1 to 1024. Default: the number of processors
    /// available to the process (<see cref="Environment.ProcessorCount"/>: affinity and cgroup limits respected).
    /// </summary>
    public int EventLoopCount { get; set; } = Math.Clamp(Environment.ProcessorCount, 1, 1024);

    /// <summary>
    /// Which thread runs the application. Default: <see cref="ApplicationScheduling.ThreadPool"/>.
    /// </summary>
    public ApplicationScheduling Scheduling { get; set; } = ApplicationScheduling.ThreadPool;

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
    /// Most bytes that one receive may buffer before the application has asked for more. The connection reads only when the
    /// application reads, so a peer that sends faster than the application reads is stopped by TCP.
    /// At least 1; <see langword="null"/> or 0 means unlimited. Default: 1 MiB.
    /// </summary>
    public long? MaxReadBufferSize { get; set; } = 1024 * 1024;

    /// <summary>
    /// Number of unsent bytes of a connection at which <c>FlushAsync</c> begins to wait; it completes when half of
    /// them are left. At least 1; <see langword="null"/> or 0 means unlimited. Default: 64 KiB.
    /// </summary>
    public long? MaxWriteBufferSize { get; set; } = 64 * 1024;
}
