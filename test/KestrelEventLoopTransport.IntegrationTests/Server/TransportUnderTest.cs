using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.IntegrationTests.Server;

/// <summary>
/// Makes sure that the tests run on the project's transport: an app that fell back to the stock one would pass most of
/// them.
/// </summary>
internal static class TransportUnderTest
{
    /// <summary>Uses the project's transport, or the stock one with the same options.</summary>
    public static void Use(WebApplicationBuilder builder, Action<EventLoopTransportOptions> configure)
    {
        if (!StockTransport.IsUnderTest)
        {
            builder.WebHost.UseEventLoopTransport(configure);
            return;
        }

        var options = new EventLoopTransportOptions();
        configure(options);
        builder.Services.Configure<SocketTransportOptions>(stock =>
        {
            stock.IOQueueCount = options.EventLoopCount;
            stock.MaxReadBufferSize = options.MaxReadBufferSize;
            stock.MaxWriteBufferSize = options.MaxWriteBufferSize;
            stock.UnsafePreferInlineScheduling = options.Scheduling == ApplicationScheduling.Inline;
        });
    }

    /// <summary>
    /// The factory that Kestrel asks first: the one registered last.
    /// </summary>
    public static IConnectionListenerFactory PreferredFactory(IServiceProvider services)
        => services.GetServices<IConnectionListenerFactory>().Last();

    public static void AssertUsedBy(IServiceProvider services)
    {
        if (!StockTransport.IsUnderTest)
        {
            Assert.Same(typeof(EventLoopTransportOptions).Assembly, PreferredFactory(services).GetType().Assembly);
        }
    }
}
