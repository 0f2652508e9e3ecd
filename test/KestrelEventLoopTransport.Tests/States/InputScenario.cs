using KestrelEventLoopTransport.Connections.Input;
using static KestrelEventLoopTransport.Connections.Input.InputFlags;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>Which actors there are besides the peer, the loop, its watch and the reader.</summary>
/// <param name="Name">What the scenario is about.</param>
/// <param name="Bytes">Number of bytes that the peer sends before it finishes.</param>
/// <param name="Reads">Number of reads that the reader makes at most.</param>
/// <param name="Others">The methods of <see cref="InputActors"/> that are the others.</param>
internal sealed record InputScenario(
    string Name,
    int Bytes,
    int Reads,
    params Func<InputActors, Func<InputModel, IEnumerable<InputModel>>>[] Others)
{
    // Enough for the bytes, the end, and each cancellation.
    private const int All = 6;

    /// <summary>Small ones first.</summary>
    internal static IReadOnlyList<InputScenario> Every { get; } =
    [
        new("a reader that never comes", 2, 0),
        new("a reader that comes once", 2, 1),
        new("a reader", 2, All),
        new("a canceller of the only read", 1, 1, a => a.Canceller),
        new("a token of the only read", 1, 1, a => a.Token),
        new("a canceller", 2, All, a => a.Canceller),
        new("a token", 2, All, a => a.Token),
        new("a deadline of the only read", 1, 1, a => a.Deadline),
        new("a deadline", 2, All, a => a.Deadline),
        new("a deadline and a canceller", 1, All, a => a.Deadline, a => a.Canceller),
        new("a deadline and a token", 1, All, a => a.Deadline, a => a.Token),
        new("a deadline and an abort", 1, All, a => a.Deadline, a => a.Stopper),
        new("a deadline and dispose", 1, All, a => a.Deadline, a => a.Completer),
        new("a deadline and an end from our side", 1, All, a => a.Deadline, a => a.Closer),
        new("an abort", 2, All, a => a.Stopper),
        new("an abort without a reader", 2, 0, a => a.Stopper),
        new("dispose", 2, All, a => a.Completer),
        new("an end from our side", 2, All, a => a.Closer),
        new("a canceller and a token", 1, All, a => a.Canceller, a => a.Token),
        new("a canceller and an abort", 1, All, a => a.Canceller, a => a.Stopper),
        new("dispose and an abort", 2, All, a => a.Completer, a => a.Stopper),
        new("dispose and an end from our side", 1, All, a => a.Completer, a => a.Closer),
        new("an abort during an end from our side", 1, All, a => a.Stopper, a => a.Closer),
    ];

    private bool IsReadToTheEnd => Reads == All;

    public override string ToString() => Name;

    /// <summary>Visits every state. Throws <see cref="IllegalStateException"/> for one that breaks a rule.</summary>
    internal IReadOnlyCollection<InputModel> Explore(InputMoves moves)
    {
        var actors = new InputActors(moves, Bytes);
        var explorer = new Explorer<InputModel>()
            .AlwaysEnds()
            .Actor("peer", actors.Peer)
            .Actor("loop", actors.Loop)
            .Actor("watch", actors.Watch)
            .Actor("reader", actors.Reader);
        foreach (var other in Others)
        {
            var actor = other(actors);
            explorer.Actor(actor.Method.Name, actor);
        }

        return explorer
            .Always("The word is legal", state => InputTransitions.IsLegal(state.Flags))
            .Always("One thread is busy at most", state => state.BusyThreads <= 1)
            .Always("The word knows of the busy thread", state => state.Has(Busy) == (state.BusyThreads == 1))
            .Always("A read is resumed by one thread", state => state.Fault != InputFault.ResumedTwice)
            .Always("A released descriptor is not used", state => state.Fault != InputFault.CallAfterRelease)
            .Always("Bytes are taken in order", state => state.Fault != InputFault.OutOfOrder)
            .Always("A descriptor is released once", state => state.Releases <= 1)
            .Always("The watch has one entry at most", state => state.WatchEntries <= 1)
            .Always("The word knows of the entry", state => state.Has(Watched) == (state.WatchEntries == 1))
            .AtTheEnd("A stopped descriptor is released", state => state.HasStopped == (state.Releases == 1))
            .AtTheEnd("No read is lost", IsReadDone)
            .AtTheEnd("No edge is lost", IsEdgeAnswered)
            .AtTheEnd(
                "A completed reader has returned all buffers",
                state => !state.HasCompleted || state.Held + state.Unexamined == 0)
            .AtTheEnd(
                "No thread is left in between",
                state => state is { Loop: AheadPlace.Idle, Watch: AheadPlace.Idle, MustFree: false })
            .Explore(new InputModel { ReadsLeft = (byte)Reads });
    }

    // The peer always finishes, so a read that waits for ever was forgotten.
    private bool IsReadDone(InputModel state)
        => IsReadToTheEnd ? state.Reader == ReaderPlace.IsDone : state.Reader is ReaderPlace.IsDone or ReaderPlace.Idle;

    private static bool IsEdgeAnswered(InputModel state)
        => !state.HasEdge && (!state.KernelHasNews || state.Has(Ended) || (state.Has(Full) && !state.HasRoomAgain));
}
