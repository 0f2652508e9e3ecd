namespace KestrelEventLoopTransport.Diagnostics;

/// <summary>Counts the connections that are assigned to one loop. Any thread may call.</summary>
internal sealed class LoopLoad
{
    private int _current;
    private long _total;

    /// <summary>Number of connections whose descriptor is not closed yet.</summary>
    internal int Current => Volatile.Read(ref _current);

    /// <summary>Number of connections since the start.</summary>
    internal long Total => Volatile.Read(ref _total);

    internal void Add()
    {
        Interlocked.Increment(ref _current);
        Interlocked.Increment(ref _total);
    }

    /// <summary>Adds a connection if <see cref="Current"/> still has the value that the caller read.</summary>
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

    /// <summary>Undoes <see cref="Add"/> for a connection that could not be made.</summary>
    internal void Undo()
    {
        Interlocked.Decrement(ref _current);
        Interlocked.Decrement(ref _total);
    }
}
