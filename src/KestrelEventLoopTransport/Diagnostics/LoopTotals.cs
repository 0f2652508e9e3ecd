namespace KestrelEventLoopTransport.Diagnostics;

/// <summary>What a loop has done.</summary>
/// <param name="Turns">Number of turns: a wait for events, and the work behind it.</param>
/// <param name="Events">Number of events that the waits have brought, wake-ups among them.</param>
/// <param name="Busy">The time in turns, as far as it was measured.</param>
internal readonly record struct LoopTotals(long Turns, long Events, TimeSpan Busy)
{
    public static LoopTotals operator +(LoopTotals left, LoopTotals right)
        => new(left.Turns + right.Turns, left.Events + right.Events, left.Busy + right.Busy);
}
