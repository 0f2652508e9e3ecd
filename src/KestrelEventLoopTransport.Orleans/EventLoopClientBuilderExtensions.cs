using KestrelEventLoopTransport;
using KestrelEventLoopTransport.Orleans;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Orleans.Hosting;

/// <summary>
/// Extension methods that put the network of an Orleans client on event loops.
/// </summary>
public static class EventLoopClientBuilderExtensions
{
    private const string Client = "OrleansClient";

    /// <summary>
    /// Replaces the sockets of a client outside the silos with event loops. The client of a silo's own process needs
    /// nothing: it has no connection.
    /// </summary>
    /// <remarks>
    /// Options are read from the configuration section <c>Kestrel:EventLoopClients:OrleansClient</c>, if there is one;
    /// then the parameter is applied. The defaults, and what they are different in, are those of the silos'
    /// <see cref="EventLoopSiloBuilderExtensions.UseEventLoopTransport"/>. Options out of range stop the client at
    /// start with an <see cref="OptionsValidationException"/>.
    /// </remarks>
    /// <param name="builder">The client builder.</param>
    /// <param name="client">Sets options of the connections to gateways. Default: <see langword="null"/>.</param>
    /// <returns>The same builder, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="builder"/> is <see langword="null"/>.</exception>
    /// <exception cref="InvalidOperationException">
    /// This version of Orleans registers its network in another way.
    /// </exception>
    public static IClientBuilder UseEventLoopTransport(
        this IClientBuilder builder,
        Action<EventLoopClientOptions>? client = null)
    {
        ArgumentNullException.ThrowIfNull(builder);

        var services = builder.Services;
        EventLoopNetworking.Replace<IConnectionFactory>(
            services,
            count: 1,
            static provider => provider.GetRequiredKeyedService<EventLoopConnectionFactory>(Client));

        OrleansDefaults.Add<EventLoopClientOptions>(services, Client, OrleansDefaults.Apply);
        services.AddKeyedEventLoopClient(Client, client);
        return builder;
    }
}
