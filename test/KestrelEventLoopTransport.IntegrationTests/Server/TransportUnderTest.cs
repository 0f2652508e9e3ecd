using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.IntegrationTests.Server;

/// <summary>
/// Makes sure that the tests run on the project's transport: an app that fell back to the stock one would pass most of them.
/// </summary>
internal static class TransportUnderTest
{
    /// <summary>
    /// Whether the project's assembly has a transport at all.
    /// </summary>
    public static bool Exists { get; } = typeof(EventLoopTransportOptions).Assembly.GetTypes()
        .Any(type => type.IsClass && type.IsAssignableTo(typeof(IConnectionListenerFactory)));

    /// <summary>
    /// The factory that Kestrel asks first: the one registered last.
    /// </summary>
    public static IConnectionListenerFactory PreferredFactory(IServiceProvider services)
        => services.GetServices<IConnectionListenerFactory>().Last();

    public static void AssertUsedBy(IServiceProvider services)
    {
        if (Exists)
        {
            Assert.Same(typeof(EventLoopTransportOptions).Assembly, PreferredFactory(services).GetType().Assembly);
        }
    }
}
