namespace KestrelEventLoopTransport.Listening;

/// <summary>The counts of a listener. They only grow. Any thread may count and read.</summary>
internal sealed class ListenerCounts
{
    private readonly long[] _values = new long[(int)ListenerCount.End];

    internal long this[ListenerCount count] => Volatile.Read(ref _values[(int)count]);

    internal void Increment(ListenerCount count) => Interlocked.Increment(ref _values[(int)count]);

    internal void Add(ListenerCount count, long number) => Interlocked.Add(ref _values[(int)count], number);

    /// <summary>Adds all counts of another listener.</summary>
    internal void Add(ListenerCounts other)
    {
        for (var i = 0; i < _values.Length; i++)
        {
            Add((ListenerCount)i, other[(ListenerCount)i]);
        }
    }
}
