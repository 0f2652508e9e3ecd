using KestrelEventLoopTransport;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.AspNetCore.Hosting;

/// <summary>
/// Extension methods that put Kestrel on the event-loop transport.
/// </summary>
public static class EventLoopTransportWebHostBuilderExtensions
{
    /// <summary>
    /// Replaces Kestrel's socket transport by event loops. Options are read from the section
    /// <c>Kestrel:EventLoopTransport</c> of the configuration.
    /// </summary>
    /// <remarks>
    /// It may be called before or after <c>UseKestrel()</c>, and <c>UseSockets()</c> beside it changes only options.
    /// What the transport cannot bind to is left to the socket transport. If another transport that takes every
    /// endpoint is registered later, that one is used, and a warning is logged. With a server that is not Kestrel, as
    /// in tests of the application, nothing of the transport is made.
    /// </remarks>
    /// <param name="hostBuilder">The web host builder.</param>
    /// <returns>The same builder.</returns>
    public static IWebHostBuilder UseEventLoopTransport(this IWebHostBuilder hostBuilder)
    {
        ArgumentNullException.ThrowIfNull(hostBuilder);

        return hostBuilder.ConfigureServices(static services => services.AddEventLoopTransport());
    }

    /// <summary>
    /// Replaces Kestrel's socket transport by event loops.
    /// </summary>
    /// <param name="hostBuilder">The web host builder.</param>
    /// <param name="configureOptions">Sets the transport's options, after the configuration's section.</param>
    /// <returns>The same builder.</returns>
    public static IWebHostBuilder UseEventLoopTransport(
        this IWebHostBuilder hostBuilder,
        Action<EventLoopTransportOptions> configureOptions)
    {
        ArgumentNullException.ThrowIfNull(hostBuilder);
        ArgumentNullException.ThrowIfNull(configureOptions);

        return hostBuilder.ConfigureServices(services => services.AddEventLoopTransport(configureOptions));
    }

    /// <summary>
    /// Replaces Kestrel's socket transport by event loops.
    /// </summary>
    /// <param name="hostBuilder">The web host builder.</param>
    /// <param name="configureOptions">
    /// Sets the transport's options from the host's configuration and environment.
    /// </param>
    /// <returns>The same builder.</returns>
    public static IWebHostBuilder UseEventLoopTransport(
        this IWebHostBuilder hostBuilder,
        Action<WebHostBuilderContext, EventLoopTransportOptions> configureOptions)
    {
        ArgumentNullException.ThrowIfNull(hostBuilder);
        ArgumentNullException.ThrowIfNull(configureOptions);

        return hostBuilder.ConfigureServices((context, services)
            => services.AddEventLoopTransport(options => configureOptions(context, options)));
    }
}
