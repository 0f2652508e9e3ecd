using System.Diagnostics.Metrics;
using KestrelEventLoopTransport;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Connections.Timing;
using KestrelEventLoopTransport.Hosting;
using KestrelEventLoopTransport.Listening;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Adaptive;
using KestrelEventLoopTransport.Options.Configuration;
using KestrelEventLoopTransport.Options.Validation;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>
/// Extension methods that register the event-loop transport as a service, with or without a web host.
/// </summary>
public static class EventLoopTransportServiceCollectionExtensions
{
    /// <summary>
    /// Registers the event-loop transport. An <see cref="EventLoopTransportFactory"/> becomes the
    /// <see cref="IConnectionListenerFactory"/> that the services resolve, and an
    /// <see cref="EventLoopTransportMonitor"/> shows what it is doing. Options are read from the configuration section
    /// <c>Kestrel:EventLoopTransport</c>, if there is one.
    /// </summary>
    /// <remarks>
    /// In a web application it has the same effect as <c>UseEventLoopTransport()</c>. Without Kestrel, each loop has a
    /// memory pool of its own, unless an <see cref="IMemoryPoolFactory{T}"/> is registered. Options are validated when
    /// the factory is resolved, which throws an <see cref="OptionsValidationException"/> if a value is out of range.
    /// </remarks>
    /// <param name="services">The services.</param>
    /// <returns>The same services, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="services"/> is <see langword="null"/>.</exception>
    public static IServiceCollection AddEventLoopTransport(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);

        services.AddEventLoops();
        services.TryAddSingleton(static provider => new EndpointNames(provider.GetService<IConfiguration>()));

        // Kestrel asks the factories in reverse order of their registration. Its socket transport serves what the event
        // loops cannot. Kestrel registers that only if there is no factory yet, so it is registered here.
        services.TryAddSingleton<IConnectionListenerFactory, SocketTransportFactory>();
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IConnectionListenerFactory, EventLoopTransportFactory>(Create));
        return services;
    }

    /// <summary>
    /// Registers the event-loop transport, like <see cref="AddEventLoopTransport(IServiceCollection)"/>, and configures
    /// its options.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="configureOptions">Sets the transport's options. It runs after the configuration is applied.</param>
    /// <returns>The same services, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    public static IServiceCollection AddEventLoopTransport(
        this IServiceCollection services,
        Action<EventLoopTransportOptions> configureOptions)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configureOptions);

        return services.AddEventLoopTransport().Configure(configureOptions);
    }

    /// <summary>
    /// Registers an <see cref="EventLoopTransportFactory"/> under a key, also as a keyed
    /// <see cref="IConnectionListenerFactory"/>: for software that asks for its listeners by a key, without Kestrel or
    /// beside it. All its endpoints have the same options, which are read from the configuration section
    /// <c>Kestrel:EventLoopTransports:{name}</c>, if there is one.
    /// </summary>
    /// <remarks>
    /// <para>
    /// The loops are those of <see cref="AddEventLoopTransport(IServiceCollection)"/> and <c>AddEventLoopClient()</c>
    /// in the same services, with their options in <see cref="EventLoopTransportOptions"/>. The options of endpoints in
    /// these do not apply. Kestrel does not use the factory.
    /// </para>
    /// <para>
    /// The options are read when the factory is resolved. A value out of range throws an
    /// <see cref="OptionsValidationException"/> then.
    /// </para>
    /// </remarks>
    /// <param name="services">The services.</param>
    /// <param name="name">The key of the services and the name of the options.</param>
    /// <param name="configureOptions">
    /// Sets the options of the factory's endpoints. It runs after the configuration is applied. Default:
    /// <see langword="null"/>.
    /// </param>
    /// <returns>The same services, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException">
    /// <paramref name="services"/> or <paramref name="name"/> is <see langword="null"/>.
    /// </exception>
    /// <exception cref="ArgumentException"><paramref name="name"/> is empty.</exception>
    public static IServiceCollection AddKeyedEventLoopTransport(
        this IServiceCollection services,
        string name,
        Action<EndpointOptions>? configureOptions = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(name);

        services.AddEventLoops();
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IConfigureOptions<EndpointOptions>, KeyedTransportConfiguration>());
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<EndpointOptions>, KeyedTransportOptionsValidator>());
        services.TryAddKeyedSingleton(name, static (provider, key) => CreateKeyed(provider, (string)key!));
        services.TryAddKeyedSingleton<IConnectionListenerFactory>(
            name, static (provider, key) => provider.GetRequiredKeyedService<EventLoopTransportFactory>(key));
        return configureOptions is null ? services : services.Configure(name, configureOptions);
    }

    /// <summary>Registers what listeners and clients share: the loops, their options and their monitor.</summary>
    internal static void AddEventLoops(this IServiceCollection services)
    {
        services.AddOptions().AddLogging().AddMetrics();
        services.TryAddSingleton<IMemoryPoolFactory<byte>, BlockMemoryPoolFactory>();
        services.TryAddSingleton<EventLoopTransportMonitor>();
        services.TryAddSingleton(
            static provider => new TimeoutMetrics(provider.GetRequiredService<IMeterFactory>()));
        services.TryAddSingleton(
            static provider => new ListenerMetrics(provider.GetRequiredService<IMeterFactory>()));
        services.TryAddSingleton(static provider => new SharedLoops(
            provider.GetRequiredService<IOptions<EventLoopTransportOptions>>().Value,
            provider.GetRequiredService<IMemoryPoolFactory<byte>>(),
            provider.GetRequiredService<IMeterFactory>(),
            provider.GetRequiredService<ILoggerFactory>(),
            (Action<EventLoopGroup>)provider.GetRequiredService<EventLoopTransportMonitor>().OnLoopsStarted
                + new ConnectionMetrics(provider.GetRequiredService<IMeterFactory>()).OnLoopsStarted));
        services.TryAddEnumerable(ServiceDescriptor
            .Singleton<IConfigureOptions<EventLoopTransportOptions>, EventLoopTransportConfiguration>());
        services.TryAddEnumerable(ServiceDescriptor
            .Singleton<IValidateOptions<EventLoopTransportOptions>, EventLoopTransportOptionsValidator>());
    }

    private static EventLoopTransportFactory Create(IServiceProvider services)
    {
        var factory = new EventLoopTransportFactory(
            services.GetRequiredService<IOptions<EventLoopTransportOptions>>().Value,
            services.GetRequiredService<IOptionsFactory<EventLoopTransportOptions>>(),
            services.GetRequiredService<EndpointNames>(),
            services.GetRequiredService<EventLoopTransportMonitor>(),
            services.GetRequiredService<SharedLoops>(),
            services.GetRequiredService<TimeoutMetrics>(),
            services.GetRequiredService<ListenerMetrics>(),
            services.GetRequiredService<ILoggerFactory>());
        services.GetService<IHostApplicationLifetime>()?.ApplicationStarted.Register(() => factory.CheckUse(services));
        return factory;
    }

    /// <summary>Its names are not looked up: its endpoints are not Kestrel's.</summary>
    private static EventLoopTransportFactory CreateKeyed(IServiceProvider services, string name) => new(
        services.GetRequiredService<IOptions<EventLoopTransportOptions>>().Value
            .With(services.GetRequiredService<IOptionsMonitor<EndpointOptions>>().Get(name)),
        optionsFactory: null,
        new EndpointNames(configuration: null),
        services.GetRequiredService<EventLoopTransportMonitor>(),
        services.GetRequiredService<SharedLoops>(),
        services.GetRequiredService<TimeoutMetrics>(),
        services.GetRequiredService<ListenerMetrics>(),
        services.GetRequiredService<ILoggerFactory>());
}
