namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// Visits every state that actors reach from a first one, in every order of their steps. A state holds the word under
/// test and, for each actor, how far it has come. A step is what one atomic operation, or one action between two of
/// them, makes of a state.
/// </summary>
/// <typeparam name="TState">The state. Equal states are visited once.</typeparam>
internal sealed class Explorer<TState>
    where TState : notnull
{
    private readonly List<(string Actor, Func<TState, IEnumerable<TState>> Steps)> _actors = [];
    private readonly List<(string Name, Func<TState, bool> Holds)> _invariants = [];
    private readonly List<(string Name, Func<TState, bool> Holds)> _ends = [];

    /// <summary>
    /// Adds an actor: from a state, the states that its next step may lead to. None: it waits, or is done.
    /// </summary>
    internal Explorer<TState> Actor(string name, Func<TState, IEnumerable<TState>> steps)
    {
        _actors.Add((name, steps));
        return this;
    }

    /// <summary>Adds what holds in every state.</summary>
    internal Explorer<TState> Always(string name, Func<TState, bool> holds)
    {
        _invariants.Add((name, holds));
        return this;
    }

    /// <summary>Adds what holds in a state that no actor leaves.</summary>
    internal Explorer<TState> AtTheEnd(string name, Func<TState, bool> holds)
    {
        _ends.Add((name, holds));
        return this;
    }

    /// <summary>Visits all states. Returns them; throws with the way to the first one that is not legal.</summary>
    internal IReadOnlyCollection<TState> Explore(TState first)
    {
        var cameFrom = new Dictionary<TState, (TState? Before, string Actor)> { [first] = (default, "start") };
        var open = new Queue<TState>([first]);
        while (open.TryDequeue(out var state))
        {
            Check(_invariants, state, cameFrom);
            var isEnd = true;
            foreach (var (actor, steps) in _actors)
            {
                foreach (var next in steps(state))
                {
                    isEnd = false;
                    if (cameFrom.TryAdd(next, (state, actor)))
                    {
                        open.Enqueue(next);
                    }
                }
            }

            if (isEnd)
            {
                Check(_ends, state, cameFrom);
            }
        }

        return cameFrom.Keys;
    }

    private static void Check(
        List<(string Name, Func<TState, bool> Holds)> rules,
        TState state,
        Dictionary<TState, (TState? Before, string Actor)> cameFrom)
    {
        foreach (var (name, holds) in rules)
        {
            if (!holds(state))
            {
                throw new IllegalStateException($"{name}, but not after:{Environment.NewLine}{Way(state, cameFrom)}");
            }
        }
    }

    private static string Way(TState state, Dictionary<TState, (TState? Before, string Actor)> cameFrom)
    {
        var lines = new List<string>();
        for (var (at, from) = (state, cameFrom[state]); ; (at, from) = (from.Before!, cameFrom[from.Before!]))
        {
            lines.Add($"{from.Actor}: {at}");
            if (from.Actor == "start")
            {
                break;
            }
        }

        lines.Reverse();
        return string.Join(Environment.NewLine, lines);
    }
}
