using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Dialing;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>Transports whose client has options, or resolves names as a test says; and resolvers for them.</summary>
internal static class DialTransport
{
    public static TestTransport Create(
        ApplicationScheduling scheduling, Action<EventLoopClientOptions>? configure, NameResolver? resolver = null)
        => new(new TestSettings
        {
            Scheduling = scheduling,
            Client = configure,
            Services = services => services.AddSingleton(resolver ?? Dns.GetHostAddressesAsync),
        });

    public static TestTransport Create(NameResolver resolver, Action<EventLoopClientOptions>? configure = null)
        => Create(ApplicationScheduling.Adaptive, configure, resolver);

    /// <summary>Every name is this host, in both families.</summary>
    public static Task<IPAddress[]> BothLoopbacksAsync(
        string name, AddressFamily family, CancellationToken cancellationToken)
        => Task.FromResult<IPAddress[]>(
            [family == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Loopback : IPAddress.Loopback]);

    /// <summary>Honours the token, as the system's resolver does before the lookup begins.</summary>
    public static async Task<IPAddress[]> NeverAsync(
        string name, AddressFamily family, CancellationToken cancellationToken)
    {
        await Task.Delay(Timeout.Infinite, cancellationToken);
        return [];
    }
}
