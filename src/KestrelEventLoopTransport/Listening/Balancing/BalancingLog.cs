using System.Net;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Listening.Balancing;

/// <summary>What is logged of load balancing. The event numbers continue those of the listener.</summary>
internal static partial class BalancingLog
{
    [LoggerMessage(
        7,
        LogLevel.Error,
        "CustomLoadBalancer of {EndPoint} threw an exception or returned {Loop}, which is not the index of one of the"
            + " {LoopCount} loops. The connection was assigned round robin. Further failures are not logged.",
        EventName = "LoadBalancerFailed")]
    internal static partial void LoadBalancerFailed(
        ILogger logger, EndPoint endPoint, int loop, int loopCount, Exception? exception);
}
