using System.Numerics;

namespace KestrelEventLoopTransport.Framing.Tests.Infrastructure;

/// <summary>What a reference decoder says of the frame at the start of some bytes.</summary>
/// <param name="Length">
/// All bytes of it; null if its end is not among the bytes, and not told by its header either.
/// </param>
/// <param name="Counted">How many of them count toward the maximum, or do so for certain.</param>
/// <param name="Head">Bytes to strip from the front.</param>
/// <param name="Tail">Bytes to strip from the end.</param>
/// <param name="IsCorrupted">Whether it is no frame.</param>
/// <param name="CanSkip">Whether its end can be found if it is too long.</param>
internal sealed record Measured(
    BigInteger? Length,
    BigInteger Counted,
    int Head = 0,
    int Tail = 0,
    bool IsCorrupted = false,
    bool CanSkip = true)
{
    public static Measured Corrupted { get; } = new(0, 0, IsCorrupted: true);
}
