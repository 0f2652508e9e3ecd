namespace KestrelEventLoopTransport.Datagrams;

/// <summary>The states of <see cref="BacklogWord"/>.</summary>
[Flags]
internal enum BacklogFlags
{
    None = 0,

    /// <summary>The queue may hold datagrams, so new ones queue up behind them.</summary>
    Queued = 1 << 0,

    /// <summary>One thread sends what is queued.</summary>
    Flushing = 1 << 1,

    /// <summary>
    /// Since that thread looked, the socket became writable or a datagram was queued. It looks again.
    /// </summary>
    Again = 1 << 2,

    /// <summary>Nothing is sent any more. Stays set.</summary>
    Stopped = 1 << 3,

    /// <summary>The queue is closed, or the thread that set this is closing it. Stays set.</summary>
    Closed = 1 << 4,
}
