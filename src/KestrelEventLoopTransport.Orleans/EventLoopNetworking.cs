using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;

namespace KestrelEventLoopTransport.Orleans;

/// <summary>
/// Puts other factories of connections in the place of Orleans' own. Orleans registers its own under keys that are
/// plain objects, each known to one of its classes only.
/// </summary>
internal static class EventLoopNetworking
{
    /// <summary>Replaces the factories of one type.</summary>
    /// <typeparam name="T"><see cref="IConnectionListenerFactory"/> or <see cref="IConnectionFactory"/>.</typeparam>
    /// <param name="services">The services, in which Orleans has registered its own.</param>
    /// <param name="count">How many there must be.</param>
    /// <param name="create">Creates the other factory.</param>
    /// <exception cref="InvalidOperationException">There are not as many.</exception>
    internal static void Replace<T>(IServiceCollection services, int count, Func<IServiceProvider, T> create)
        where T : class
    {
        int[] own = [.. Enumerable.Range(0, services.Count).Where(i => IsOfOrleans(services[i], typeof(T)))];
        if (own.Length != count)
        {
            var version = typeof(SiloAddress).Assembly.GetName().Version?.ToString(3);
            throw new InvalidOperationException(
                $"Orleans {version} registers its connections in another way: there are {own.Length} keyed services of "
                    + $"{typeof(T).Name} where {count} are expected. UseEventLoopTransport() works with Orleans 10.");
        }

        foreach (var i in own)
        {
            services[i] = ServiceDescriptor.KeyedSingleton(services[i].ServiceKey, (provider, _) => create(provider));
        }
    }

    private static bool IsOfOrleans(ServiceDescriptor descriptor, Type type)
        => descriptor.ServiceType == type && descriptor.ServiceKey?.GetType() == typeof(object);
}
