using System.Diagnostics.Metrics;
using KestrelEventLoopTransport;
using KestrelEventLoopTransport.Hosting;
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
    /// Registers the event-loop transport: the <see cref="IConnectionListenerFactory"/> that is resolved is an
    /// <see cref="EventLoopTransportFactory"/>, and <see cref="EventLoopTransportState"/> says what it is doing.
    /// Options are read from the section <c>Kestrel:EventLoopTransport</c> of the configuration, if there is one.
    /// </summary>
    /// <remarks>
    /// In a web application it does the same as <c>UseEventLoopTransport()</c>. Without Kestrel, its memory comes from
    /// <see cref="System.Buffers.MemoryPool{T}.Shared"/> unless an <see cref="IMemoryPoolFactory{T}"/> is registered.
    /// Options out of range are found when the factory is resolved.
    /// </remarks>
    /// <param name="services">The services.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddEventLoopTransport(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);

        services.AddOptions().AddLogging().AddMetrics();
        services.TryAddSingleton<IMemoryPoolFactory<byte>, SharedMemoryPoolFactory>();
        services.TryAddSingleton(static _ => new EventLoopTransportState());
        services.TryAddSingleton(static provider => new EndpointNames(provider.GetService<IConfiguration>()));

        // Kestrel asks the factory that was registered last first; its own socket transport stays for the rest. Kestrel
        // registers it only where there is no factory yet, so it may have to be done here.
        services.TryAddSingleton<IConnectionListenerFactory, SocketTransportFactory>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IConnectionListenerFactory, EventLoopTransportFactory>(Create));
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IConfigureOptions<EventLoopTransportOptions>, EventLoopTransportConfiguration>());
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<EventLoopTransportOptions>, EventLoopTransportOptionsValidator>());
        return services;
    }

    /// <summary>
    /// Registers the event-loop transport, as <see cref="AddEventLoopTransport(IServiceCollection)"/> does.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="configureOptions">Sets the transport's options, after the configuration's section.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddEventLoopTransport(
        this IServiceCollection services,
        Action<EventLoopTransportOptions> configureOptions)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configureOptions);

        return services.AddEventLoopTransport().Configure(configureOptions);
    }

    private static EventLoopTransportFactory Create(IServiceProvider services)
    {
        var factory = new EventLoopTransportFactory(
            services.GetRequiredService<IOptions<EventLoopTransportOptions>>().Value,
            services.GetRequiredService<IOptionsFactory<EventLoopTransportOptions>>(),
            services.GetRequiredService<EndpointNames>(),
            services.GetRequiredService<EventLoopTransportState>(),
            services.GetRequiredService<IMemoryPoolFactory<byte>>(),
            services.GetRequiredService<IMeterFactory>(),
            services.GetRequiredService<ILoggerFactory>());
        services.GetService<IHostApplicationLifetime>()?.ApplicationStarted.Register(() => factory.CheckUse(services));
        return factory;
    }
}
