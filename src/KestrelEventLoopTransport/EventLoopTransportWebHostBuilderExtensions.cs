using KestrelEventLoopTransport;

namespace Microsoft.AspNetCore.Hosting;

/// <summary>
/// Extension methods that put Kestrel on the event-loop transport.
/// </summary>
public static class EventLoopTransportWebHostBuilderExtensions
{
    /// <summary>
    /// Replaces Kestrel's socket transport by event loops.
    /// </summary>
    /// <param name="hostBuilder">The web host builder.</param>
    /// <returns>The same builder.</returns>
    public static IWebHostBuilder UseEventLoopTransport(this IWebHostBuilder hostBuilder)
        => hostBuilder;

    /// <summary>
    /// Replaces Kestrel's socket transport by event loops.
    /// </summary>
    /// <param name="hostBuilder">The web host builder.</param>
    /// <param name="configureOptions">Sets the transport's options.</param>
    /// <returns>The same builder.</returns>
    public static IWebHostBuilder UseEventLoopTransport(
        this IWebHostBuilder hostBuilder,
        Action<EventLoopTransportOptions> configureOptions)
        => hostBuilder;

    /// <summary>
    /// Replaces Kestrel's socket transport by event loops.
    /// </summary>
    /// <param name="hostBuilder">The web host builder.</param>
    /// <param name="configureOptions">Sets the transport's options from the host's configuration and environment.</param>
    /// <returns>The same builder.</returns>
    public static IWebHostBuilder UseEventLoopTransport(
        this IWebHostBuilder hostBuilder,
        Action<WebHostBuilderContext, EventLoopTransportOptions> configureOptions)
        => hostBuilder;
}
