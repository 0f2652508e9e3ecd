namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>What an event makes of a <see cref="TurnState"/>.</summary>
internal readonly record struct TurnMove(TurnFlags After, TurnAction Action);
