namespace KestrelEventLoopTransport.Listening.Balancing;

/// <summary>
/// Chooses the loop with the fewest connections. The choice and the count are one step: loops that accept at the same
/// time never choose by the same count.
/// </summary>
internal sealed class LeastConnectionsSelector : LoopSelector
{
    private int _turn;

    internal override int Assign(in LoadBalancingContext context)
    {
        while (true)
        {
            // Equals take turns: otherwise the first loop would get every connection of a server with little to do.
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
