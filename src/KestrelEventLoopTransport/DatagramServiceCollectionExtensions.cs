using System.Diagnostics.CodeAnalysis;
using KestrelEventLoopTransport;
using KestrelEventLoopTransport.Datagrams;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Hosting;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Extension methods that add datagram endpoints to an application.</summary>
public static class DatagramServiceCollectionExtensions
{
    /// <summary>
    /// Adds a UDP endpoint, which runs on the same loops as the connections of the event-loop transport. It is bound
    /// when the host starts, and closed when the host stops.
    /// </summary>
    /// <remarks>
    /// Registers the transport too (<c>AddEventLoopTransport</c>). The endpoint has an object of
    /// <typeparamref name="THandler"/> of its own, created with the services, and disposed after the last call.
    /// </remarks>
    /// <typeparam name="THandler">The application's code.</typeparam>
    /// <param name="services">The services.</param>
    /// <param name="url">
    /// <c>udp://</c>, an IP address or <c>*</c>, and a port: <c>udp://127.0.0.1:5353</c>, <c>udp://[::1]:5353</c>. With
    /// <c>*</c> the endpoint receives on all addresses, IPv6 and IPv4. With port 0 the kernel chooses a port.
    /// </param>
    /// <param name="configure">Sets the endpoint's options.</param>
    /// <returns>The same services, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    /// <exception cref="FormatException"><paramref name="url"/> is not such a URL.</exception>
    public static IServiceCollection AddDatagramEndpoint<
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        this IServiceCollection services,
        string url,
        Action<DatagramEndpointOptions>? configure = null)
        where THandler : DatagramHandler
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(url);

        var endPoint = DatagramUrl.Parse(url);
        return services.AddEventLoopTransport().AddSingleton<IHostedService>(provider => new DatagramService(
            url,
            endPoint,
            provider.GetServices<IConnectionListenerFactory>().OfType<EventLoopTransportFactory>().Last(),
            () => ActivatorUtilities.CreateInstance<THandler>(provider),
            configure));
    }
}
