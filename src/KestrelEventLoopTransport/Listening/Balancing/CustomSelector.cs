using System.Net;
using KestrelEventLoopTransport.Loops;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Listening.Balancing;

/// <summary>The user's policy. What it gets wrong costs no connection.</summary>
internal sealed class CustomSelector(LoadBalancer balancer, LoopSelector fallback, EndPoint endPoint, ILogger logger) : LoopSelector
{
    private int _logged;

    internal override EventLoop Assign(in LoadBalancingContext context)
    {
        int index;
        Exception? failure = null;
        try
        {
            index = balancer(context);
        }
        catch (Exception exception)
        {
            failure = exception;
            index = -1;
        }
        if ((uint)index >= (uint)context.LoopCount)
        {
            if (Interlocked.Exchange(ref _logged, 1) == 0)
            {
                ListenerLog.LoadBalancerFailed(logger, endPoint, index, context.LoopCount, failure);
            }
            return fallback.Assign(context);
        }
        var loop = context.Loops[index];
        loop.Load.Add();
        return loop;
    }
}
