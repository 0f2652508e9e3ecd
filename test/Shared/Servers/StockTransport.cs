using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// The control: KESTREL_TEST_TRANSPORT=sockets runs a suite on Kestrel's own transport. A test that fails there and is
/// not marked <see cref="FailsOnStockAttribute"/> asks for something else than "as stock".
/// </summary>
internal static class StockTransport
{
    public static bool IsUnderTest { get; } = Environment.GetEnvironmentVariable("KESTREL_TEST_TRANSPORT") == "sockets";

    /// <summary>
    /// An application that fell back to the stock transport would pass most tests: the factory that Kestrel asks first,
    /// which is the one registered last, is the project's own.
    /// </summary>
    public static void AssertNotUsedBy(IServiceProvider services)
        => Assert.IsType<EventLoopTransportFactory>(services.GetServices<IConnectionListenerFactory>().Last());
}
