namespace KestrelEventLoopTransport.Connections.Lingering;

/// <summary>The lingering sockets of a listener, counted.</summary>
internal sealed class LingeringSockets
{
    // Lingering sockets hold descriptors in addition to those that MaxConnections bounds.
    private const int Max = 1024;

    private int _count;

    /// <summary>
    /// Lets the socket of a connection that has been answered linger. False when too many do: the caller closes it.
    /// </summary>
    internal bool TryAdd(PolledSocket socket)
    {
        if (Interlocked.Increment(ref _count) > Max)
        {
            Remove();
            return false;
        }

        new LingeringSocket(this, socket).Start();
        return true;
    }

    /// <summary>A lingering socket closes.</summary>
    internal void Remove() => Interlocked.Decrement(ref _count);
}
