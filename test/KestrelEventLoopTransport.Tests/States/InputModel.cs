using KestrelEventLoopTransport.Connections.Input;

namespace KestrelEventLoopTransport.Tests.States;

/// <summary>
/// A connection's input without its sockets: the word, a kernel that holds numbered bytes, and how far each actor has
/// come.
/// </summary>
internal readonly record struct InputModel
{
    /// <summary>Number of bytes that may be held. Fewer than the peer sends, so that the loop has to pause.</summary>
    public const int MaxHeld = 1;

    public InputFlags Flags { get; init; }

    // The peer has sent this many bytes. The kernel gives them out in order.
    public byte Sent { get; init; }

    public byte Received { get; init; }

    // The reader has got this many. Those between lie with the held ones.
    public byte Taken { get; init; }

    // Of those that the reader has got, it has not seen so many.
    public byte Unexamined { get; init; }

    public bool IsFinished { get; init; }

    public bool EndIsReceived { get; init; }

    public bool EndIsTaken { get; init; }

    public bool HasEdge { get; init; }

    public byte WatchEntries { get; init; }

    public byte Releases { get; init; }

    public byte ReadsLeft { get; init; }

    public ReaderPlace Reader { get; init; }

    // Whether the token of the pending read may still fire.
    public bool IsWaiting { get; init; }

    public AheadPlace Loop { get; init; }

    public AheadPlace Watch { get; init; }

    public CloserPlace Closer { get; init; }

    // Whether a receive that is about to end leaves something behind. Belongs to the busy thread.
    public bool More { get; init; }

    public bool IsFull { get; init; }

    public bool HasCanceled { get; init; }

    public bool HasFired { get; init; }

    /// <summary>How often the deadline has been moved: into the past, and then into the future.</summary>
    public byte DeadlineMoves { get; init; }

    // The reader knows that its deadline has passed, and does not read before it is moved.
    public bool HasTimedOut { get; init; }

    public bool HasCompleted { get; init; }

    public bool MustFree { get; init; }

    public bool HasStopped { get; init; }

    /// <summary>What must not happen, when it has.</summary>
    public InputFault Fault { get; init; }

    public int Held => Received - Taken;

    /// <summary>Whether the loop receives ahead again after a pause.</summary>
    public bool HasRoomAgain => Held + Unexamined <= MaxHeld / 2;

    public bool KernelHasNews => Received < Sent || (IsFinished && !EndIsReceived);

    public int BusyThreads
        => (Reader is >= ReaderPlace.Takes and <= ReaderPlace.EndsReceive and not ReaderPlace.BeginsReceive ? 1 : 0)
            + (IsBusy(Loop) ? 1 : 0)
            + (IsBusy(Watch) ? 1 : 0)
            + (Closer is CloserPlace.Discards or CloserPlace.EndsDiscard ? 1 : 0);

    public bool Has(InputFlags flags) => (Flags & flags) != 0;

    private static bool IsBusy(AheadPlace place) => place is AheadPlace.Receives or AheadPlace.Ends;
}
