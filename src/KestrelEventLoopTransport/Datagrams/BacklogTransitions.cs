using static KestrelEventLoopTransport.Datagrams.BacklogFlags;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>The transitions of <see cref="BacklogWord"/>, as pure functions.</summary>
internal static class BacklogTransitions
{
    /// <summary>
    /// A datagram has been queued. If the queue was not in use, the caller sends it: the socket may have become
    /// writable before the word said that something waits for that.
    /// </summary>
    internal static (BacklogFlags Next, BacklogAction Action) Queue(BacklogFlags state)
        => (state & Stopped) != 0 ? (state, BacklogAction.None)
            : (state & Flushing) != 0 ? (state | Again, BacklogAction.None)
            : (state & Queued) != 0 ? (state, BacklogAction.None)
            : (Queued | Flushing, BacklogAction.Flush);

    /// <summary>The socket is writable, or a delay has passed.</summary>
    internal static (BacklogFlags Next, BacklogAction Action) SetWritable(BacklogFlags state)
        => (state & (Queued | Stopped)) != Queued ? (state, BacklogAction.None)
            : (state & Flushing) != 0 ? (state | Again, BacklogAction.None)
            : (state | Flushing, BacklogAction.Flush);

    /// <summary>The caller has sent what it could.</summary>
    internal static (BacklogFlags Next, BacklogAction Action) EndFlush(BacklogFlags state, bool isEmpty)
        => (state & Stopped) != 0 ? (Stopped | Closed, BacklogAction.Close)
            : (state & Again) != 0 ? (Queued | Flushing, BacklogAction.Flush)
            : (isEmpty ? None : Queued, BacklogAction.None);

    /// <summary>Nothing is sent any more. A thread that flushes closes the queue when it ends.</summary>
    internal static (BacklogFlags Next, BacklogAction Action) Stop(BacklogFlags state)
        => (state & Stopped) != 0 ? (state, BacklogAction.None)
            : (state & Flushing) != 0 ? (state | Stopped, BacklogAction.None)
            : (Stopped | Closed, BacklogAction.Close);

    /// <summary>Whether a state is one of those that the remarks of <see cref="BacklogWord"/> list.</summary>
    internal static bool IsLegal(BacklogFlags state)
        => (state & ~Again) is None or Queued or (Queued | Flushing) or (Queued | Flushing | Stopped)
                or (Stopped | Closed)
            && ((state & Again) == 0 || (state & Flushing) != 0);
}
