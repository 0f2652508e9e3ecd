using System.Diagnostics.Metrics;
using KestrelEventLoopTransport;
using KestrelEventLoopTransport.Connections.Timing;
using KestrelEventLoopTransport.Datagrams;
using KestrelEventLoopTransport.Dialing;
using KestrelEventLoopTransport.Loops.Adaptive;
using KestrelEventLoopTransport.Options.Configuration;
using KestrelEventLoopTransport.Options.Validation;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>
/// Extension methods that register the client side of the event loops as a service, with or without a server.
/// </summary>
public static class EventLoopClientServiceCollectionExtensions
{
    /// <summary>
    /// Registers an <see cref="EventLoopConnectionFactory"/>, also as <see cref="IConnectionFactory"/> unless there is
    /// one already. Its options are read from the configuration section <c>Kestrel:EventLoopClient</c>, if there is
    /// one.
    /// </summary>
    /// <remarks>
    /// The loops are those of <c>UseEventLoopTransport()</c> and <c>AddEventLoopTransport()</c> in the same services,
    /// with the same options. Without these, the loops serve the clients alone.
    /// </remarks>
    /// <param name="services">The services.</param>
    /// <param name="configureOptions">
    /// Sets the client's options. It runs after the configuration is applied. Default: <see langword="null"/>.
    /// </param>
    /// <returns>The same services, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="services"/> is <see langword="null"/>.</exception>
    public static IServiceCollection AddEventLoopClient(
        this IServiceCollection services,
        Action<EventLoopClientOptions>? configureOptions = null)
    {
        ArgumentNullException.ThrowIfNull(services);

        AddOptions(services, Options.Options.DefaultName, configureOptions);
        services.TryAddSingleton(static provider => Create(provider, Options.Options.DefaultName));
        services.TryAddSingleton<IConnectionFactory>(
            static provider => provider.GetRequiredService<EventLoopConnectionFactory>());
        return services;
    }

    /// <summary>
    /// Registers an <see cref="EventLoopConnectionFactory"/> with options of its own under a key, also as a keyed
    /// <see cref="IConnectionFactory"/>. Its options are read from the configuration section
    /// <c>Kestrel:EventLoopClients:{name}</c>, if there is one.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="name">The key of the services and the name of the options.</param>
    /// <param name="configureOptions">
    /// Sets the client's options. It runs after the configuration is applied. Default: <see langword="null"/>.
    /// </param>
    /// <returns>The same services, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException">
    /// <paramref name="services"/> or <paramref name="name"/> is <see langword="null"/>.
    /// </exception>
    /// <exception cref="ArgumentException"><paramref name="name"/> is empty.</exception>
    public static IServiceCollection AddKeyedEventLoopClient(
        this IServiceCollection services,
        string name,
        Action<EventLoopClientOptions>? configureOptions = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(name);

        AddOptions(services, name, configureOptions);
        services.TryAddKeyedSingleton(name, static (provider, key) => Create(provider, (string)key!));
        services.TryAddKeyedSingleton<IConnectionFactory>(
            name, static (provider, key) => provider.GetRequiredKeyedService<EventLoopConnectionFactory>(key));
        return services;
    }

    private static void AddOptions(
        IServiceCollection services, string name, Action<EventLoopClientOptions>? configureOptions)
    {
        services.AddEventLoops();
        services.TryAddSingleton(static provider => new DialMetrics(provider.GetRequiredService<IMeterFactory>()));
        services.TryAddSingleton(static provider => new DatagramMetrics(provider.GetRequiredService<IMeterFactory>()));
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IConfigureOptions<EventLoopClientOptions>, EventLoopClientConfiguration>());
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<EventLoopClientOptions>, EventLoopClientOptionsValidator>());
        if (configureOptions is not null)
        {
            services.Configure(name, configureOptions);
        }
    }

    private static EventLoopConnectionFactory Create(IServiceProvider services, string name) => new(
        services.GetRequiredService<IOptionsMonitor<EventLoopClientOptions>>().Get(name).Copy(),
        services.GetRequiredService<SharedLoops>(),
        services.GetRequiredService<TimeoutMetrics>(),
        services.GetRequiredService<DialMetrics>(),
        services.GetRequiredService<DatagramMetrics>(),
        services.GetRequiredService<ILoggerFactory>(),
        services.GetService<NameResolver>());
}
