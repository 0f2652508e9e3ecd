using KestrelEventLoopTransport.Listening;
using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport;

/// <summary>
/// What the transport is doing: connections per loop and per listener (gnet: <c>CountConnections</c>). A singleton
/// service of an application that uses the transport. Each property gives the values of the moment; any thread may ask,
/// and asking costs the loops nothing.
/// </summary>
public sealed class EventLoopTransportState
{
    private readonly Lock _lock = new();
    private EventLoopListenerState[] _listeners = [];
    private EventLoopGroup? _group;

    internal EventLoopTransportState()
    {
    }

    /// <summary>The loops, by their numbers. Empty before the server has started.</summary>
    public IReadOnlyList<EventLoopState> Loops
    {
        get
        {
            var group = Volatile.Read(ref _group);
            if (group is null)
            {
                return [];
            }

            var states = new EventLoopState[group.Loops.Length];
            for (var i = 0; i < states.Length; i++)
            {
                var load = group.Loops[i].Load;
                states[i] = new EventLoopState(load.Current, load.Total);
            }

            return states;
        }
    }

    /// <summary>The endpoints that are listening now.</summary>
    public IReadOnlyList<EventLoopListenerState> Listeners => Volatile.Read(ref _listeners);

    /// <summary>
    /// Number of connections that are assigned to loops and not yet disposed of, those of listeners that have stopped
    /// included.
    /// </summary>
    public int ConnectionCount
    {
        get
        {
            var count = 0;
            foreach (var loop in Loops)
            {
                count += loop.ConnectionCount;
            }

            return count;
        }
    }

    internal EventLoopGroup? Group
    {
        get => Volatile.Read(ref _group);
        set => Volatile.Write(ref _group, value);
    }

    internal void Add(EventLoopListener listener)
    {
        lock (_lock)
        {
            Volatile.Write(ref _listeners, [.. _listeners, new EventLoopListenerState(listener)]);
        }
    }

    internal void Remove(EventLoopListener listener)
    {
        lock (_lock)
        {
            Volatile.Write(ref _listeners, [.. _listeners.Where(state => !state.IsOf(listener))]);
        }
    }
}
