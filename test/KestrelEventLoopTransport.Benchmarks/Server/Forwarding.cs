using ReverseProxy;
using Yarp.ReverseProxy.Configuration;

namespace KestrelEventLoopTransport.Benchmarks.Server;

// YARP in front of the upstream server, with one route. The upstream serves the same paths itself.
internal static class Forwarding
{
    public const string Path = "/proxy";

    public static void AddTo(IServiceCollection services, ServerPorts upstream, bool usesEventLoops)
    {
        var route = new RouteConfig
        {
            RouteId = "all",
            ClusterId = "upstream",
            Match = new RouteMatch { Path = Path + "/{**path}" },
        };
        var cluster = new ClusterConfig
        {
            ClusterId = "upstream",
            Destinations = new Dictionary<string, DestinationConfig>
            {
                ["upstream"] = new() { Address = $"http://127.0.0.1:{upstream.Http}" },
            },
        };
        var proxy = services.AddReverseProxy().LoadFromMemory([route], [cluster]);
        if (usesEventLoops)
        {
            proxy.UseEventLoops();
        }
    }
}
