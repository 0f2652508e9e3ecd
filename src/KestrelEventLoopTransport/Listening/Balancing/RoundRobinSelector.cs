using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Listening.Balancing;

internal sealed class RoundRobinSelector(EventLoopGroup group) : LoopSelector
{
    internal override int Assign(in LoadBalancingContext context)
    {
        var index = group.Next().Index;
        context.Loads[index].Add();
        return index;
    }
}
