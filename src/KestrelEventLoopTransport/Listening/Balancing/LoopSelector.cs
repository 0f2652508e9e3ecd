using System.Net;
using KestrelEventLoopTransport.Loops;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Listening.Balancing;

/// <summary>Assigns connections to loops. Thread-safe.</summary>
internal abstract class LoopSelector
{
    internal static LoopSelector Create(
        EndpointOptions options, EventLoopGroup group, EndPoint endPoint, ILogger logger)
    {
        var roundRobin = new RoundRobinSelector(group);
        if (options.CustomLoadBalancer is { } custom)
        {
            return new CustomSelector(custom, roundRobin, endPoint, logger);
        }

        return options.LoadBalancingPolicy switch
        {
            LoadBalancingPolicy.LeastConnections => new LeastConnectionsSelector(),
            LoadBalancingPolicy.SourceAddressHash => new SourceAddressHashSelector(roundRobin),
            _ => roundRobin,
        };
    }

    /// <summary>Chooses a loop and counts the connection there. Returns the index of the loop.</summary>
    internal abstract int Assign(in LoadBalancingContext context);
}
