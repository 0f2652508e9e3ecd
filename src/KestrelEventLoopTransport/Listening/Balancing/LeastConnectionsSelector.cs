namespace KestrelEventLoopTransport.Listening.Balancing;

/// <summary>
/// The least loaded loop. Choosing and counting are one step: loops that accept at the same time never take the same
/// count for their choice.
/// </summary>
internal sealed class LeastConnectionsSelector : LoopSelector
{
    private int _turn;

    internal override int Assign(in LoadBalancingContext context)
    {
        while (true)
        {
            // Among equals, in turn: the first loop would else get every connection of a server with little to do.
            var first = (uint)Interlocked.Increment(ref _turn);
            var best = 0;
            var least = int.MaxValue;
            for (var i = 0u; i < context.LoopCount && least > 0; i++)
            {
                var index = (int)((first + i) % (uint)context.LoopCount);
                var current = context.Loads[index].Current;
                if (current < least)
                {
                    best = index;
                    least = current;
                }
            }

            if (context.Loads[best].TryAdd(least))
            {
                return best;
            }
        }
    }
}
