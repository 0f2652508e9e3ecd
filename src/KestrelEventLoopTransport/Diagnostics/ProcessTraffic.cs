namespace KestrelEventLoopTransport.Diagnostics;

/// <summary>
/// What all transports of the process have carried: an event source is one for the process, and a transport is one for
/// a container. All members are thread-safe.
/// </summary>
internal sealed class ProcessTraffic
{
    // Several counters are read at once, and to read is to look at each open socket.
    private const long MaxAge = 100;

    private readonly Lock _lock = new();
    private readonly List<ITrafficSource> _sources = [];
    private Traffic _last;
    private long _readAt = long.MinValue / 2;
    private long _accepted;
    private long _dialed;

    // Of sockets that have ended. Without the lock, because each connection adds to them.
    private long _receivedBytes;
    private long _sentBytes;
    private long _receivedDatagrams;
    private long _sentDatagrams;

    internal static ProcessTraffic Shared { get; } = new();

    /// <summary>Number of connections accepted.</summary>
    internal long Accepted => Volatile.Read(ref _accepted);

    /// <summary>Number of connections opened.</summary>
    internal long Dialed => Volatile.Read(ref _dialed);

    internal void OnAccepted() => Interlocked.Increment(ref _accepted);

    internal void OnDialed() => Interlocked.Increment(ref _dialed);

    internal void Add(ITrafficSource source)
    {
        lock (_lock)
        {
            _sources.Add(source);
        }
    }

    internal void Remove(ITrafficSource source)
    {
        lock (_lock)
        {
            _sources.Remove(source);
        }
    }

    /// <summary>A socket is closed: its source does not know it any more.</summary>
    internal void OnEnded(Traffic traffic)
    {
        Add(ref _receivedBytes, traffic.ReceivedBytes);
        Add(ref _sentBytes, traffic.SentBytes);
        Add(ref _receivedDatagrams, traffic.ReceivedDatagrams);
        Add(ref _sentDatagrams, traffic.SentDatagrams);
    }

    /// <summary>
    /// What has been carried up to now, or up to a moment ago. Never less than before: a socket that closes at this
    /// moment may be missing, and then the counts are those of the last time.
    /// </summary>
    /// <param name="now">Milliseconds of any clock.</param>
    internal Traffic Read(long now)
    {
        ITrafficSource[] sources;
        lock (_lock)
        {
            if (now - _readAt < MaxAge)
            {
                return _last;
            }

            _readAt = now;
            sources = [.. _sources];
        }

        // Those that have ended first, so that none is there twice.
        var sum = ReadEnded();
        foreach (var source in sources)
        {
            sum += source.ReadOpen();
        }

        lock (_lock)
        {
            return _last = Traffic.Max(_last, sum);
        }
    }

    private Traffic ReadEnded() => new(
        Volatile.Read(ref _receivedBytes),
        Volatile.Read(ref _sentBytes),
        Volatile.Read(ref _receivedDatagrams),
        Volatile.Read(ref _sentDatagrams));

    private static void Add(ref long sum, long number)
    {
        if (number != 0)
        {
            Interlocked.Add(ref sum, number);
        }
    }
}
