using KestrelEventLoopTransport;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

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
    /// <param name="hostBuilder">The web host builder.</param>
    /// <returns>The same builder.</returns>
    public static IWebHostBuilder UseEventLoopTransport(this IWebHostBuilder hostBuilder)
    {
        ArgumentNullException.ThrowIfNull(hostBuilder);

        return hostBuilder.ConfigureServices(static services => AddTransport(services));
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

        return hostBuilder.ConfigureServices(services => AddTransport(services).Configure(configureOptions));
    }

    /// <summary>
    /// Replaces Kestrel's socket transport by event loops.
    /// </summary>
    /// <param name="hostBuilder">The web host builder.</param>
    /// <param name="configureOptions">Sets the transport's options from the host's configuration and environment.</param>
    /// <returns>The same builder.</returns>
    public static IWebHostBuilder UseEventLoopTransport(
        this IWebHostBuilder hostBuilder,
        Action<WebHostBuilderContext, EventLoopTransportOptions> configureOptions)
    {
        ArgumentNullException.ThrowIfNull(hostBuilder);
        ArgumentNullException.ThrowIfNull(configureOptions);

        return hostBuilder.ConfigureServices((context, services)
            => AddTransport(services).Configure(options => configureOptions(context, options)));
    }

    private static OptionsBuilder<EventLoopTransportOptions> AddTransport(IServiceCollection services)
    {
        // Kestrel asks the factory that was registered last first; its own socket transport stays for the rest.
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IConnectionListenerFactory, EventLoopTransportFactory>());
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IConfigureOptions<EventLoopTransportOptions>, EventLoopTransportConfiguration>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, EndPointOverrideCheck>());
        services.TryAddSingleton(static provider
            => provider.GetServices<IConnectionListenerFactory>().OfType<EventLoopTransportFactory>().Last().State);
        return services.AddOptionsWithValidateOnStart<EventLoopTransportOptions, EventLoopTransportOptionsValidator>();
    }
}
