using KestrelEventLoopTransport.Connections.Input;

namespace KestrelEventLoopTransport.Tests.States;

internal delegate bool TryMove(InputFlags state, out InputFlags next);

internal delegate bool TryBegin(InputFlags state, InputFlags unless, out InputFlags next);

/// <summary>
/// The transitions that <see cref="InputModel"/> makes: those of the product, unless a test plants a bug in one.
/// </summary>
internal sealed record InputMoves
{
    public Func<InputFlags, InputFlags, InputFlags> SetAndUnpark { get; init; } = InputTransitions.SetAndUnpark;

    public TryMove TryPark { get; init; } = InputTransitions.TryPark;

    public Func<InputFlags, InputFlags, bool, InputFlags> OnEdge { get; init; } = InputTransitions.OnEdge;

    public TryBegin TryBeginReceive { get; init; } = InputTransitions.TryBeginReceive;

    public TryMove TryBeginTake { get; init; } = InputTransitions.TryBeginTake;

    public Func<InputFlags, InputFlags, InputFlags, bool, InputFlags> EndReceive { get; init; }
        = InputTransitions.EndReceive;

    public TryMove TryWatch { get; init; } = InputTransitions.TryWatch;

    public TryMove TryUnwatch { get; init; } = InputTransitions.TryUnwatch;

    public Func<InputFlags, InputFlags> Stop { get; init; } = InputTransitions.Stop;

    /// <summary>The deadline is moved into the future.</summary>
    public Func<InputFlags, InputFlags> Revive { get; init; } = static state =>
    {
        _ = InputTransitions.TryClear(state, InputFlags.TimedOut, out var next);
        return next;
    };

    /// <summary>Whether a read that its deadline ends leaves an edge to the watch.</summary>
    public bool RewatchesAfterDeadline { get; init; } = true;

    /// <summary>What forbids a receive of the reader's.</summary>
    public InputFlags ReaderUnless { get; init; } = InputFlags.Ended | InputFlags.Held;

    /// <summary>Whether the reader looks for <see cref="InputFlags.Full"/> when it has made room.</summary>
    public bool ContinuesAhead { get; init; } = true;

    /// <summary>Whether a read that its token ends leaves an edge to the watch.</summary>
    public bool RewatchesAfterToken { get; init; } = true;
}
