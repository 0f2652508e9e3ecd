using KestrelEventLoopTransport.Connections.Output;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// What the threads around one connection's output share, and how far each of them has come. Bytes, chains and queued
/// work are small numbers.
/// </summary>
internal readonly record struct OutputStateWorld
{
    public OutputFlags Flags { get; init; }

    /// <summary>The first rule that a step has broken, if any.</summary>
    public string? Broken { get; init; }

    // The queue of bytes. Chains are numbered from 1; Freed has a bit for each.
    public int Committed { get; init; }

    public int Sent { get; init; }

    public int Chains { get; init; }

    public int Head { get; init; }

    public int Freed { get; init; }

    // The kernel: bytes that the socket takes, whether a call found it full, and whether the loop will see an edge.
    public int Room { get; init; }

    /// <summary>How often the peer will still read.</summary>
    public int ReadsLeft { get; init; }

    public bool FoundFull { get; init; }

    /// <summary>Whether the socket is registered for output: whether room makes an edge.</summary>
    public bool IsWatched { get; init; }

    public bool Edge { get; init; }

    public bool PeerIsGone { get; init; }

    public int Faults { get; init; }

    // Work that is queued: the output's work item, its retry, the release of a stopped flush.
    public int WorkItems { get; init; }

    public int Retries { get; init; }

    public int LaterReleases { get; init; }

    public bool IsDispatching { get; init; }

    // What has happened to the connection.
    public int Releases { get; init; }

    public int Drains { get; init; }

    /// <summary>The FINs that were sent.</summary>
    public int Fins { get; init; }

    /// <summary>How often the connection was told of the FIN.</summary>
    public int FinReports { get; init; }

    public bool FlushIsPending { get; init; }

    public bool FlushIsOutstanding { get; init; }

    public int WritesLeft { get; init; }

    public OutputStateThread Writer { get; init; }

    public OutputStateThread Loop { get; init; }

    public OutputStateThread Pool { get; init; }

    public OutputStateThread Supervisor { get; init; }

    public OutputStateThread Closer { get; init; }

    public OutputStateThread Canceler { get; init; }

    public OutputStateThread Deadline { get; init; }

    /// <summary>Whether the deadline has ended the flush that waits.</summary>
    public bool MustTimeOut { get; init; }

    internal int Senders => Count(Writer) + Count(Loop) + Count(Pool) + Count(Supervisor) + Count(Closer);

    internal int Unsent => Committed - Sent;

    /// <summary>Whether the socket stays full for good.</summary>
    internal bool IsStarved => ReadsLeft == 0 && Has(OutputFlags.Blocked);

    internal bool Has(OutputFlags bits) => (Flags & bits) != 0;

    internal bool IsFreed(int chain) => chain > 0 && (Freed & (1 << (chain - 1))) != 0;

    internal OutputStateWorld Break(string rule) => this with { Broken = Broken ?? rule };

    private static int Count(OutputStateThread thread)
        => thread.Sending is not (SendStep.None or SendStep.WatchLate) || (thread.Todo & OutputAction.Send) != 0
            ? 1
            : 0;
}
