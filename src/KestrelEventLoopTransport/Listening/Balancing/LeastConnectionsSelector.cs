using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Listening.Balancing;

/// <summary>
/// The least loaded loop. Choosing and counting are one step: loops that accept at the same time never take the same
/// count for their choice.
/// </summary>
internal sealed class LeastConnectionsSelector(EventLoopGroup group) : LoopSelector
{
    internal override EventLoop Assign(in LoadBalancingContext context)
    {
        while (true)
        {
            // Among equals, in turn: the first loop would else get every connection of a server with little to do.
            var best = group.Next();
            var first = best.Index;
            var least = best.Load.Current;
            for (var i = 1; i < context.LoopCount && least > 0; i++)
            {
                var loop = context.Loops[(first + i) % context.LoopCount];
                var current = loop.Load.Current;
                if (current < least)
                {
                    best = loop;
                    least = current;
                }
            }
            if (best.Load.TryAdd(least))
            {
                return best;
            }
        }
    }
}
