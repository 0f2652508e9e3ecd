using KestrelEventLoopTransport.Framing.Connections;

namespace KestrelEventLoopTransport.Framing.Tests.States;

/// <summary>The transitions that are explored: the real ones, unless a test plants a bug.</summary>
internal sealed record TurnMoves
{
    public Func<TurnFlags, TurnMove?> TryEnter { get; init; }
        = static flags => TurnTransitions.TryEnter(flags, out var after) ? new(after, TurnAction.Run) : null;

    public Func<TurnFlags, TurnMove> EnterOrWait { get; init; } = TurnTransitions.EnterOrWait;

    public Func<TurnFlags, TurnFlags> TakeDue { get; init; } = TurnTransitions.TakeDue;

    public Func<TurnFlags, TurnMove> Leave { get; init; } = TurnTransitions.Leave;

    public Func<TurnFlags, TurnFlags, TurnMove> Ask { get; init; } = TurnTransitions.Ask;

    public Func<TurnFlags, TurnFlags, TurnFlags> Withdraw { get; init; } = TurnTransitions.Withdraw;

    public Func<TurnFlags, TurnMove> Execute { get; init; } = TurnTransitions.Execute;

    /// <summary>Whether the loop runs what is due between two batches.</summary>
    public bool LoopRunsDue { get; init; } = true;
}
