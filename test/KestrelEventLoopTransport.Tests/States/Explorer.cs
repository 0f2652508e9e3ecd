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
    private bool _alwaysEnds;

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

    /// <summary>Adds that a state that no actor leaves can be reached from every state.</summary>
    internal Explorer<TState> AlwaysEnds()
    {
        _alwaysEnds = true;
        return this;
    }

    /// <summary>Visits all states. Returns them; throws with the way to the first one that is not legal.</summary>
    internal IReadOnlyList<TState> Explore(TState first)
    {
        var found = new FoundStates<TState>();
        found.Add(first, before: 0, actor: 0);
        var steps = new List<(int From, int To)>();
        var ends = new List<int>();

        // The states are visited in the order in which they were found, so the ways to them are the shortest.
        for (var at = 0; at < found.Count; at++)
        {
            var state = found[at];
            Check(_invariants, found, at);
            var isEnd = true;
            for (var actor = 0; actor < _actors.Count; actor++)
            {
                foreach (var next in _actors[actor].Steps(state))
                {
                    isEnd = false;
                    steps.Add((at, found.Add(next, at, actor)));
                }
            }

            if (isEnd)
            {
                Check(_ends, found, at);
                ends.Add(at);
            }
        }

        if (_alwaysEnds && FindWithoutEnd(found.Count, steps, ends) is int lost)
        {
            throw Illegal("An end can be reached", found, lost);
        }

        return found;
    }

    /// <summary>The first state from which no order of steps leads to an end.</summary>
    private static int? FindWithoutEnd(int count, List<(int From, int To)> steps, List<int> ends)
    {
        var reaches = new bool[count];
        ends.ForEach(end => reaches[end] = true);

        // Most steps lead to a later state: a few rounds from the last to the first are enough.
        for (var isChanged = true; isChanged;)
        {
            isChanged = false;
            for (var i = steps.Count - 1; i >= 0; i--)
            {
                var (from, to) = steps[i];
                if (reaches[to] && !reaches[from])
                {
                    isChanged = reaches[from] = true;
                }
            }
        }

        return Array.IndexOf(reaches, false) is >= 0 and var first ? first : null;
    }

    private void Check(List<(string Name, Func<TState, bool> Holds)> rules, FoundStates<TState> found, int at)
    {
        foreach (var (name, holds) in rules)
        {
            if (!holds(found[at]))
            {
                throw Illegal(name, found, at);
            }
        }
    }

    /// <summary>Says which rule is broken, and the way to the state that breaks it.</summary>
    private IllegalStateException Illegal(string rule, FoundStates<TState> found, int at)
    {
        var lines = new List<string>();
        for (; at > 0; at = found.Origin(at).Before)
        {
            lines.Add($"{_actors[found.Origin(at).Actor].Actor}: {found[at]}");
        }

        lines.Add($"start: {found[0]}");
        lines.Reverse();
        return new($"{rule}, but not after:{Environment.NewLine}{string.Join(Environment.NewLine, lines)}");
    }
}
