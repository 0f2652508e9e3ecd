using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Connections.Lingering;

/// <summary>The sockets of a listener that linger, counted.</summary>
internal sealed class LingeringSockets
{
    // They hold descriptors beside those of the connections that MaxConnections bounds.
    private const int Most = 1024;

    private int _count;

    /// <summary>
    /// Lets a socket linger whose connection has been answered and is over. False when there are too many: the caller
    /// closes it.
    /// </summary>
    internal bool TryAdd(IConnectionOwner owner, EventLoop loop, ulong token, int fd, bool mayBeShared, bool closeWaits)
    {
        if (Interlocked.Increment(ref _count) > Most)
        {
            Leave();
            return false;
        }

        new LingeringSocket(this, owner, loop, token, fd, mayBeShared, closeWaits).Start();
        return true;
    }

    /// <summary>One of them is closed.</summary>
    internal void Leave() => Interlocked.Decrement(ref _count);
}
