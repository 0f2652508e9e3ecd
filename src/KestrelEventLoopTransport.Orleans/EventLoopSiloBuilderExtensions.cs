using KestrelEventLoopTransport;
using KestrelEventLoopTransport.Orleans;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Orleans.Hosting;

/// <summary>
/// Extension methods that put the network of an Orleans silo on event loops.
/// </summary>
public static class EventLoopSiloBuilderExtensions
{
    private const string Silo = "OrleansSilo";
    private const string Gateway = "OrleansGateway";

    /// <summary>
    /// Replaces the sockets of a silo with event loops: the endpoint of other silos, the gateway for clients, and the
    /// connections to other silos.
    /// </summary>
    /// <remarks>
    /// <para>
    /// The loops are those of Kestrel in the same process, if it is on event loops too. Their options are
    /// <see cref="EventLoopTransportOptions"/>. What is configured with Orleans, such as TLS and the endpoints, stays
    /// as it is, and silos and clients on Orleans' own sockets may be in the same cluster.
    /// </para>
    /// <para>
    /// Options are read from the configuration sections <c>Kestrel:EventLoopTransports:OrleansSilo</c>,
    /// <c>Kestrel:EventLoopTransports:OrleansGateway</c> and <c>Kestrel:EventLoopClients:OrleansSilo</c>, if there are
    /// any; then the parameters are applied. The defaults are different from those of other endpoints in two points:
    /// <see cref="KestrelEventLoopTransport.EndpointOptions.FinOnError"/> is set, because Orleans ends each connection
    /// by an abort, and keep-alive and <c>NoDelay</c> are those of Orleans' <c>SocketConnectionOptions</c>. Options out
    /// of range stop the silo at start with an <see cref="OptionsValidationException"/>.
    /// </para>
    /// <para>
    /// It may be called more than once. A silo on a system without epoll and kqueue does not start.
    /// </para>
    /// </remarks>
    /// <param name="builder">The silo builder.</param>
    /// <param name="silo">Sets options of the endpoint of other silos. Default: <see langword="null"/>.</param>
    /// <param name="gateway">Sets options of the endpoint of clients. Default: <see langword="null"/>.</param>
    /// <param name="client">Sets options of connections to other silos. Default: <see langword="null"/>.</param>
    /// <returns>The same builder, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="builder"/> is <see langword="null"/>.</exception>
    /// <exception cref="InvalidOperationException">
    /// This version of Orleans registers its network in another way.
    /// </exception>
    public static ISiloBuilder UseEventLoopTransport(
        this ISiloBuilder builder,
        Action<KestrelEventLoopTransport.EndpointOptions>? silo = null,
        Action<KestrelEventLoopTransport.EndpointOptions>? gateway = null,
        Action<EventLoopClientOptions>? client = null)
    {
        ArgumentNullException.ThrowIfNull(builder);

        var services = builder.Services;
        EventLoopNetworking.Replace<IConnectionListenerFactory>(services, count: 2, static provider
            => new SiloListenerFactory(
                provider.GetRequiredKeyedService<EventLoopTransportFactory>(Silo),
                provider.GetRequiredKeyedService<EventLoopTransportFactory>(Gateway),
                provider.GetRequiredService<IOptions<Configuration.EndpointOptions>>().Value));
        EventLoopNetworking.Replace<IConnectionFactory>(
            services, count: 1, static provider => provider.GetRequiredKeyedService<EventLoopConnectionFactory>(Silo));

        OrleansDefaults.Add<KestrelEventLoopTransport.EndpointOptions>(services, Silo, OrleansDefaults.Apply);
        OrleansDefaults.Add<KestrelEventLoopTransport.EndpointOptions>(services, Gateway, OrleansDefaults.Apply);
        OrleansDefaults.Add<EventLoopClientOptions>(services, Silo, OrleansDefaults.Apply);
        services.AddKeyedEventLoopTransport(Silo, silo);
        services.AddKeyedEventLoopTransport(Gateway, gateway);
        services.AddKeyedEventLoopClient(Silo, client);
        return builder;
    }
}
