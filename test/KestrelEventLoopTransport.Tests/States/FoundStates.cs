using System.Collections;
using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// Different states in the order in which an <see cref="Explorer{TState}"/> found them, and where each came from.
/// States are large: a set of their indexes is cheaper than a set of states.
/// </summary>
internal sealed class FoundStates<TState> : IReadOnlyList<TState>
    where TState : notnull
{
    private readonly List<TState> _states = [];
    private readonly List<(int Before, int Actor)> _origins = [];
    private readonly HashSet<int> _indexes;

    internal FoundStates() => _indexes = new(new ByState(_states));

    public int Count => _states.Count;

    public TState this[int index] => _states[index];

    public IEnumerator<TState> GetEnumerator() => _states.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>The state from which an actor's step first led to this one.</summary>
    internal (int Before, int Actor) Origin(int index) => _origins[index];

    /// <summary>Adds a state unless it has been found before. Returns its index.</summary>
    internal int Add(TState state, int before, int actor)
    {
        var index = _states.Count;
        _states.Add(state);
        if (_indexes.Add(index))
        {
            _origins.Add((before, actor));
            return index;
        }

        _indexes.TryGetValue(index, out var known);
        _states.RemoveAt(index);
        return known;
    }

    private sealed class ByState(List<TState> states) : IEqualityComparer<int>
    {
        public bool Equals(int x, int y)
        {
            var span = CollectionsMarshal.AsSpan(states);
            return EqualityComparer<TState>.Default.Equals(span[x], span[y]);
        }

        public int GetHashCode(int index) => CollectionsMarshal.AsSpan(states)[index].GetHashCode();
    }
}
