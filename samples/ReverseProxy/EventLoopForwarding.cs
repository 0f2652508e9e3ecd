using KestrelEventLoopTransport;
using Microsoft.Extensions.DependencyInjection;
using Yarp.ReverseProxy.Forwarder;

namespace ReverseProxy;

/// <summary>Lets YARP send its requests over connections of the event loops.</summary>
internal static class EventLoopForwarding
{
    /// <summary>Requests go upstream on the loop that they came in on.</summary>
    public static IReverseProxyBuilder UseEventLoops(this IReverseProxyBuilder proxy)
    {
        proxy.Services.AddEventLoopClient();
        proxy.Services.AddSingleton<IForwarderHttpClientFactory, EventLoopForwarderFactory>();
        return proxy;
    }
}
