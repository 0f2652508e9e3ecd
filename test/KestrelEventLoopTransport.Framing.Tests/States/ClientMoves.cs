using KestrelEventLoopTransport.Framing.Clients;

namespace KestrelEventLoopTransport.Framing.Tests.States;

/// <summary>The transitions that are explored: the real ones, unless a test plants a bug.</summary>
internal sealed record ClientMoves
{
    public Func<FrameClientState, ClientMove> Start { get; init; } = ClientTransitions.Start;

    public Func<FrameClientState, ClientMove> Stop { get; init; } = ClientTransitions.Stop;

    public Func<FrameClientState, ClientMove> Connect { get; init; } = ClientTransitions.Connect;

    public Func<FrameClientState, ClientMove> Open { get; init; } = ClientTransitions.Open;

    public Func<FrameClientState, ClientMove> Lose { get; init; } = ClientTransitions.Lose;

    public Func<FrameClientState, ClientMove> End { get; init; } = ClientTransitions.End;
}
