using System.Diagnostics;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// Whether datagrams wait because the socket is full, and which thread sends them. One atomic word, because the threads
/// that send, the loop and the thread that stops the endpoint all change it.
/// </summary>
/// <remarks>
/// <para>The legal states:</para>
/// <list type="bullet">
/// <item>none: the queue is not in use. Threads pass their datagrams to the kernel themselves, several at a
/// time;</item>
/// <item>queued: datagrams wait for the socket to become writable, or for a delay;</item>
/// <item>queued and flushing, with or without again: one thread sends them;</item>
/// <item>the same with stopped: that thread closes the queue when it ends;</item>
/// <item>stopped and closed: nothing is sent any more.</item>
/// </list>
/// <para>
/// No datagram is forgotten. A thread queues first and then moves the word. The thread that flushes looks at the queue
/// first and then moves the word: if one was queued in between, it flushes again. The same holds for writable edges.
/// </para>
/// </remarks>
internal struct BacklogWord
{
    private volatile BacklogFlags _flags;

    /// <summary>Whether datagrams may go to the kernel at once.</summary>
    internal readonly bool IsIdle => _flags == BacklogFlags.None;

    internal readonly bool IsStopped => (_flags & BacklogFlags.Stopped) != 0;

    /// <inheritdoc cref="BacklogTransitions.Queue"/>
    internal BacklogAction Queue()
    {
        while (true)
        {
            var before = _flags;
            var (next, action) = BacklogTransitions.Queue(before);

            // Also if nothing changes: a full fence, after which the queue's next reader sees the datagram.
            if (TryMove(before, next))
            {
                return action;
            }
        }
    }

    /// <inheritdoc cref="BacklogTransitions.SetWritable"/>
    internal BacklogAction SetWritable()
    {
        while (true)
        {
            var before = _flags;
            var (next, action) = BacklogTransitions.SetWritable(before);
            if (next == before || TryMove(before, next))
            {
                return action;
            }
        }
    }

    /// <inheritdoc cref="BacklogTransitions.EndFlush"/>
    internal BacklogAction EndFlush(bool isEmpty)
    {
        while (true)
        {
            var before = _flags;
            Debug.Assert((before & BacklogFlags.Flushing) != 0, "The thread that began a flush ends it.");
            var (next, action) = BacklogTransitions.EndFlush(before, isEmpty);
            if (TryMove(before, next))
            {
                return action;
            }
        }
    }

    /// <inheritdoc cref="BacklogTransitions.Stop"/>
    internal BacklogAction Stop()
    {
        while (true)
        {
            var before = _flags;
            var (next, action) = BacklogTransitions.Stop(before);
            if (next == before || TryMove(before, next))
            {
                return action;
            }
        }
    }

    private bool TryMove(BacklogFlags before, BacklogFlags next)
    {
        Debug.Assert(BacklogTransitions.IsLegal(next), "A transition leads to a legal state.");
        return Interlocked.CompareExchange(ref _flags, next, before) == before;
    }
}
