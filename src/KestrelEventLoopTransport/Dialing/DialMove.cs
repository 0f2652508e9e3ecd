namespace KestrelEventLoopTransport.Dialing;

/// <summary>What a dial does next.</summary>
/// <param name="Kind">Says which of the others count.</param>
/// <param name="Attempt">The number of the attempt, from 0.</param>
/// <param name="Until">When to ask again, if nothing happens before.</param>
internal readonly record struct DialMove(DialMoveKind Kind, int Attempt = -1, long Until = 0);
