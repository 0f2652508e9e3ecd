using System.Net;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Listening.Balancing;

/// <summary>The user's policy. If it fails or returns an index out of range, the fallback assigns the loop.</summary>
internal sealed class CustomSelector(LoadBalancer balancer, LoopSelector fallback, EndPoint endPoint, ILogger logger)
    : LoopSelector
{
    private int _logged;

    internal override int Assign(in LoadBalancingContext context)
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
                BalancingLog.LoadBalancerFailed(logger, endPoint, index, context.LoopCount, failure);
            }

            return fallback.Assign(context);
        }

        context.Loads[index].Add();
        return index;
    }
}
