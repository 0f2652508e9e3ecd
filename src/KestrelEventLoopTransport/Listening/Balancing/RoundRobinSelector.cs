using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Listening.Balancing;

internal sealed class RoundRobinSelector(EventLoopGroup group) : LoopSelector
{
    internal override EventLoop Assign(in LoadBalancingContext context)
    {
        var loop = group.Next();
        loop.Load.Add();
        return loop;
    }
}
