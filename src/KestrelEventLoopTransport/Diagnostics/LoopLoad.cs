namespace KestrelEventLoopTransport.Diagnostics;

/// <summary>The connections of one loop, from when they are assigned to it. Any thread may ask and count.</summary>
internal sealed class LoopLoad
{
    private int _current;
    private long _total;

    /// <summary>Connections that are not finished.</summary>
    internal int Current => Volatile.Read(ref _current);

    /// <summary>Connections since the start.</summary>
    internal long Total => Volatile.Read(ref _total);

    internal void Add()
    {
        Interlocked.Increment(ref _current);
        Interlocked.Increment(ref _total);
    }

    /// <summary>Adds a connection if nobody has added or removed one since <see cref="Current"/> was read.</summary>
    internal bool TryAdd(int current)
    {
        if (Interlocked.CompareExchange(ref _current, current + 1, current) != current)
        {
            return false;
        }

        Interlocked.Increment(ref _total);
        return true;
    }

    internal void Remove() => Interlocked.Decrement(ref _current);

    /// <summary>Takes back <see cref="Add"/> for a connection that did not come about.</summary>
    internal void Undo()
    {
        Interlocked.Decrement(ref _current);
        Interlocked.Decrement(ref _total);
    }
}
