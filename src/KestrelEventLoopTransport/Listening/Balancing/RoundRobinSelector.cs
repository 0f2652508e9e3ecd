using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Listening.Balancing;

/// <summary>Chooses each loop in turn.</summary>
internal sealed class RoundRobinSelector(EventLoopGroup group) : LoopSelector
{
    internal override int Assign(in LoadBalancingContext context)
    {
        var index = group.Next().Index;
        context.Loads[index].Add();
        return index;
    }
}
