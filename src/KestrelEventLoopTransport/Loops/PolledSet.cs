using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// The descriptors that a loop polls, and the events of the last poll. Any thread may register and unregister; the
/// loop's owner polls and takes the events.
/// </summary>
internal sealed class PolledSet
{
    private readonly Poller _poller = Poller.Create();
    private readonly PollableTable _pollables = new();

    // Events of the last poll, and those taken.
    private int _count;
    private int _next;

    /// <summary>How many events the last poll has brought.</summary>
    internal int Count => _count;

    /// <summary>How many events of the last poll have been taken.</summary>
    internal int Taken => _next;

    /// <summary>Whether events are left from the last poll. Any thread may ask.</summary>
    internal bool HasNext => Volatile.Read(ref _next) < Volatile.Read(ref _count);

    /// <summary>Whether a poll would return at once. Any thread may ask.</summary>
    internal bool HasEvents => _poller.HasEvents();

    /// <summary>Ends the current poll, or the next one.</summary>
    internal void Wake() => _poller.Wake();

    /// <summary>Starts polling a descriptor. Returns the token that ends it.</summary>
    internal ulong Register(int fd, IPollable pollable, bool isConnecting = false)
    {
        var token = _pollables.Add(pollable);
        try
        {
            if (isConnecting)
            {
                _poller.AddConnecting(fd, token);
            }
            else
            {
                _poller.Add(fd, token);
            }
        }
        catch
        {
            _pollables.Remove(token);
            throw;
        }

        return token;
    }

    /// <inheritdoc cref="Poller.EndConnecting"/>
    internal void EndConnecting(int fd, ulong token) => _poller.EndConnecting(fd, token);

    /// <inheritdoc cref="Poller.TryAddWritable"/>
    internal bool TryAddWritable(int fd, ulong token) => _poller.TryAddWritable(fd, token);

    /// <summary>Gives the events of a descriptor to another pollable, from the next edge on.</summary>
    internal void Replace(ulong token, IPollable pollable) => _pollables.Replace(token, pollable);

    /// <summary>
    /// Stops polling a descriptor; with -1, only forgets the token of one that is about to be closed.
    /// </summary>
    internal void Unregister(ulong token, int fd)
    {
        _pollables.Remove(token);
        _poller.Forget(token);
        if (fd >= 0)
        {
            _poller.Remove(fd);
        }
    }

    /// <summary>Waits for events, once all of the last poll have been taken.</summary>
    /// <param name="timeoutMilliseconds">-1 waits for ever, 0 does not wait.</param>
    internal void Poll(int timeoutMilliseconds)
    {
        _next = 0;
        _count = 0;
        _count = _poller.Wait(timeoutMilliseconds);
    }

    /// <summary>The same, for a time that may be shorter than a millisecond.</summary>
    internal void Poll(TimeSpan timeout)
    {
        _next = 0;
        _count = 0;
        _count = _poller.Wait(timeout);
    }

    /// <summary>
    /// Takes an event. It counts as taken before its pollable is called: a next owner of the loop goes on behind it.
    /// </summary>
    /// <param name="events">What has happened.</param>
    /// <returns>The pollable to call; null for a wake-up and for a descriptor that is not registered any
    /// more.</returns>
    internal IPollable? Next(out PollEvents events)
    {
        events = _poller.GetEvent(_next++, out var token);
        return _pollables.Find(token);
    }

    /// <summary>The pollables that are registered now. Any thread may ask.</summary>
    internal List<IPollable> List() => _pollables.All();

    /// <inheritdoc cref="PollableTable.CopyTo"/>
    internal void CopyTo(List<IPollable> list, int limit) => _pollables.CopyTo(list, limit);

    /// <summary>Stops polling for good, and tells the pollables that are still registered.</summary>
    internal void End()
    {
        foreach (var pollable in _pollables.All())
        {
            pollable.OnLoopEnded();
        }

        Close();
    }

    /// <summary>Frees the poller. Its descriptor is closed, and wake-ups do nothing any more.</summary>
    internal void Close() => _poller.Dispose();
}
