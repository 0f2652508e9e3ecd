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
    private Traffic _ended;
    private Traffic _last;
    private long _readAt = long.MinValue / 2;
    private long _accepted;
    private long _dialed;

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
        lock (_lock)
        {
            _ended += traffic;
        }
    }

    /// <summary>
    /// What has been carried up to now, or up to a moment ago. Never less than before: a socket that closes at this
    /// moment may be missing, and then the counts are those of the last time.
    /// </summary>
    /// <param name="now">Milliseconds of any clock.</param>
    internal Traffic Read(long now)
    {
        ITrafficSource[] sources;
        Traffic sum;
        lock (_lock)
        {
            if (now - _readAt < MaxAge)
            {
                return _last;
            }

            _readAt = now;
            sources = [.. _sources];
            sum = _ended;
        }

        // Those that have ended were taken first, so that none is there twice.
        foreach (var source in sources)
        {
            sum += source.ReadOpen();
        }

        lock (_lock)
        {
            return _last = Traffic.Max(_last, sum);
        }
    }
}
