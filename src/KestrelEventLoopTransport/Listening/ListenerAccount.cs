using System.Collections.Concurrent;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Listening;

/// <summary>The connections of a listener, counted over all its acceptors, and the most that it may have.</summary>
/// <remarks>
/// No acceptor waits for ever: it joins the queue of the waiting and then tries to enter once more; who leaves counts
/// down first and then looks into the queue.
/// </remarks>
internal sealed class ListenerAccount(EventLoopGroup group, int? maxConnections) : IConnectionOwner
{
    // Milliseconds without a shortage until the next one is worth a line in the log: clients may make as many as they
    // like.
    private const int EpisodeGap = 10_000;

    private readonly int _most = maxConnections ?? int.MaxValue;
    private readonly ConcurrentQueue<Acceptor> _waiting = new();
    private int _current;
    private long _accepted;
    private long _refused;
    private long _failed;
    private int _paused;
    private long _lastShort = long.MinValue / 2;

    /// <summary>
    /// Connections that are open, or about to be: counted from before they are accepted where there is a limit.
    /// </summary>
    internal int Current => Volatile.Read(ref _current);

    internal long Accepted => Volatile.Read(ref _accepted);

    internal long Refused => Volatile.Read(ref _refused);

    internal long Failed => Volatile.Read(ref _failed);

    /// <summary>Makes room for one connection. False when there are as many as there may be.</summary>
    internal bool TryEnter()
    {
        while (true)
        {
            var current = Volatile.Read(ref _current);
            if (current >= _most)
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

    /// <summary>Has an acceptor called when a connection leaves.</summary>
    internal void Await(Acceptor acceptor) => _waiting.Enqueue(acceptor);

    internal void CountAccepted() => Interlocked.Increment(ref _accepted);

    internal void CountRefused() => Interlocked.Increment(ref _refused);

    internal void CountFailed() => Interlocked.Increment(ref _failed);

    /// <summary>
    /// An acceptor cannot accept for want of descriptors or memory. True when that is new: no other one is short, nor
    /// was one lately.
    /// </summary>
    /// <param name="now">Milliseconds of any clock.</param>
    internal bool BeginShortage(long now)
        => Interlocked.Increment(ref _paused) == 1 && now - Volatile.Read(ref _lastShort) > EpisodeGap;

    /// <summary>The acceptor's queue is empty again. True when no other acceptor is short.</summary>
    /// <param name="now">Milliseconds of the same clock.</param>
    internal bool EndShortage(long now)
    {
        Volatile.Write(ref _lastShort, now);
        return Interlocked.Decrement(ref _paused) == 0;
    }

    public void OnDescriptorClosed() => DescriptorWaiters.WakeNext();

    public void OnClosed(StreamConnection connection)
    {
        connection.Loop.Load.Remove();
        Leave();
        group.Release();
    }
}
