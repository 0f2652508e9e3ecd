using KestrelEventLoopTransport;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.AspNetCore.Hosting;

/// <summary>
/// Extension methods that make Kestrel use the event-loop transport.
/// </summary>
public static class EventLoopTransportWebHostBuilderExtensions
{
    /// <summary>
    /// Replaces Kestrel's socket transport with event loops. Options are read from the configuration section
    /// <c>Kestrel:EventLoopTransport</c>.
    /// </summary>
    /// <remarks>
    /// It may be called before or after <c>UseKestrel()</c>. Endpoints that the transport cannot bind stay with the
    /// socket transport, and <c>UseSockets()</c> only sets the options of that. If a transport that takes every
    /// endpoint is registered later, it is used instead and a warning is logged. With another server than Kestrel, such
    /// as a test server, the transport is not created.
    /// </remarks>
    /// <param name="hostBuilder">The web host builder.</param>
    /// <returns>The same builder, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="hostBuilder"/> is <see langword="null"/>.</exception>
    public static IWebHostBuilder UseEventLoopTransport(this IWebHostBuilder hostBuilder)
    {
        ArgumentNullException.ThrowIfNull(hostBuilder);

        return hostBuilder.ConfigureServices(static services => services.AddEventLoopTransport());
    }

    /// <summary>
    /// Replaces Kestrel's socket transport with event loops, like <see cref="UseEventLoopTransport(IWebHostBuilder)"/>,
    /// and configures their options.
    /// </summary>
    /// <param name="hostBuilder">The web host builder.</param>
    /// <param name="configureOptions">Sets the transport's options. It runs after the configuration is applied.</param>
    /// <returns>The same builder, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    public static IWebHostBuilder UseEventLoopTransport(
        this IWebHostBuilder hostBuilder,
        Action<EventLoopTransportOptions> configureOptions)
    {
        ArgumentNullException.ThrowIfNull(hostBuilder);
        ArgumentNullException.ThrowIfNull(configureOptions);

        return hostBuilder.ConfigureServices(services => services.AddEventLoopTransport(configureOptions));
    }

    /// <summary>
    /// Replaces Kestrel's socket transport with event loops, like <see cref="UseEventLoopTransport(IWebHostBuilder)"/>,
    /// and configures their options with the host's configuration and environment.
    /// </summary>
    /// <param name="hostBuilder">The web host builder.</param>
    /// <param name="configureOptions">Sets the transport's options. It runs after the configuration is applied.</param>
    /// <returns>The same builder, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
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
