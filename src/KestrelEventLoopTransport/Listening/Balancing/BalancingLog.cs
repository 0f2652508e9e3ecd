using System.Net;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Listening.Balancing;

/// <summary>What is logged of load balancing. The numbers of events go on from the listener's.</summary>
internal static partial class BalancingLog
{
    [LoggerMessage(7, LogLevel.Error, "CustomLoadBalancer of {EndPoint} failed or chose loop {Loop} of {LoopCount}; connections go round robin then. This is logged once.", EventName = "LoadBalancerFailed")]
    internal static partial void LoadBalancerFailed(ILogger logger, EndPoint endPoint, int loop, int loopCount, Exception? exception);
}
