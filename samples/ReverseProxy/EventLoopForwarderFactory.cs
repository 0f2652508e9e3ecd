using System.Diagnostics;
using System.Net;
using KestrelEventLoopTransport;
using Microsoft.Extensions.Logging;
using Yarp.ReverseProxy.Forwarder;

namespace ReverseProxy;

/// <summary>Makes the client of a cluster: one pool of connections for each loop.</summary>
internal sealed class EventLoopForwarderFactory(
    EventLoopConnectionFactory connections, ILogger<ForwarderHttpClientFactory> logger)
    : ForwarderHttpClientFactory(logger)
{
    protected override HttpMessageHandler WrapHandler(ForwarderHttpClientContext context, HttpMessageHandler handler)
    {
        // YARP makes one handler, and there is to be one for each loop.
        handler.Dispose();
        return new EventLoopHttpHandler(connections, () => CreateHandler(context));
    }

    // With the settings of YARP's own, and those of the cluster's configuration.
    private SocketsHttpHandler CreateHandler(ForwarderHttpClientContext context)
    {
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            EnableMultipleHttp2Connections = true,
            ActivityHeadersPropagator = new ReverseProxyPropagator(DistributedContextPropagator.Current),
            ConnectTimeout = TimeSpan.FromSeconds(15),
        };
        ConfigureHandler(context, handler);
        return handler;
    }
}
