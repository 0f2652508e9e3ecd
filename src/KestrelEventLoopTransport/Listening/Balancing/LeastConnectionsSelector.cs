using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Listening.Balancing;

/// <summary>
/// The least loaded loop. Choosing and counting are one step: loops that accept at the same time never take the same
/// count for their choice.
/// </summary>
internal sealed class LeastConnectionsSelector : LoopSelector
{
    private int _turn;

    internal override EventLoop Assign(in LoadBalancingContext context)
    {
        while (true)
        {
            // Among equals, in turn: the first loop would else get every connection of a server with little to do.
            var first = (uint)Interlocked.Increment(ref _turn);
            EventLoop? best = null;
            var least = int.MaxValue;
            for (var i = 0u; i < context.LoopCount && least > 0; i++)
            {
                var loop = context.Loops[(int)((first + i) % (uint)context.LoopCount)];
                var current = loop.Load.Current;
                if (current < least)
                {
                    best = loop;
                    least = current;
                }
            }
            if (best!.Load.TryAdd(least))
            {
                return best;
            }
        }
    }
}
