using System.Collections.Concurrent;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Listening;

/// <summary>
/// Counts the connections of a listener, over all its acceptors, and limits them to <paramref name="maxConnections"/>.
/// </summary>
/// <remarks>
/// No acceptor waits for ever: it joins the queue and then tries to enter once more; a connection that ends counts down
/// first and then looks into the queue.
/// </remarks>
/// <param name="group">The loops. Each connection holds a reference.</param>
/// <param name="maxConnections">The most connections at a time; null for no limit.</param>
/// <param name="sampler">Gets the connections that close; null when none is sampled.</param>
internal sealed class ConnectionLimiter(EventLoopGroup group, int? maxConnections, TcpInfoSampler? sampler = null)
    : IConnectionOwner
{
    // Milliseconds without a shortage after which the next one is logged. Clients can cause any number of shortages.
    private const int EpisodeGap = 10_000;

    private readonly ConcurrentQueue<Acceptor> _waiting = new();
    private int _current;
    private int _shortAcceptors;
    private long _lastShort = long.MinValue / 2;

    /// <summary>
    /// Connections that are open or about to be accepted: with a limit, a connection counts before it is accepted.
    /// </summary>
    internal int Current => Volatile.Read(ref _current);

    /// <summary>The most connections at a time; null for no limit.</summary>
    internal int? Max => maxConnections;

    internal ListenerCounts Counts { get; } = new();

    public bool HasAcceptQueue => true;

    /// <summary>Makes room for one connection. False when the limit is reached.</summary>
    internal bool TryEnter()
    {
        while (true)
        {
            var current = Volatile.Read(ref _current);
            if (current >= (maxConnections ?? int.MaxValue))
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _current, current + 1, current) == current)
            {
                return true;
            }
        }
    }

    /// <summary>Gives the room back.</summary>
    internal void Leave()
    {
        Interlocked.Decrement(ref _current);
        if (_waiting.TryDequeue(out var acceptor))
        {
            acceptor.OnRoom();
        }
    }

    /// <summary>
    /// Calls <see cref="Acceptor.OnRoom"/> when a connection ends. Afterwards the caller has to try once more to enter.
    /// </summary>
    internal void NotifyWhenRoom(Acceptor acceptor) => _waiting.Enqueue(acceptor);

    /// <summary>
    /// An acceptor cannot accept because descriptors or memory are short. True when the shortage is new: no other
    /// acceptor is short, and none was short lately.
    /// </summary>
    /// <param name="now">Milliseconds of any clock.</param>
    internal bool BeginShortage(long now)
        => Interlocked.Increment(ref _shortAcceptors) == 1 && now - Volatile.Read(ref _lastShort) > EpisodeGap;

    /// <summary>The shortage of an acceptor has ended. True when no other acceptor is short.</summary>
    /// <param name="now">Milliseconds of the same clock.</param>
    internal bool EndShortage(long now)
    {
        Volatile.Write(ref _lastShort, now);
        return Interlocked.Decrement(ref _shortAcceptors) == 0;
    }

    public void OnClosing(StreamConnection connection) => sampler?.OnClosing(connection);

    public void OnDescriptorClosed() => DescriptorWaiters.WakeNext();

    public void OnClosed(StreamConnection connection)
    {
        // Before the room is given back: a listener without connections has counted all.
        Counts.Increment(ListenerCount.Closed + (int)connection.CloseReason);
        Counts.Add(ListenerCount.ReceivedBytes, connection.ReceivedBytes);
        Counts.Add(ListenerCount.SentBytes, connection.SentBytes);
        connection.Loop.Load.Remove();
        Leave();
        group.Release();
    }
}
