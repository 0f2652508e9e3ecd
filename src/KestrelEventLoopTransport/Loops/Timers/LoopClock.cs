namespace KestrelEventLoopTransport.Loops.Timers;

/// <summary>The clock of timers: milliseconds, monotonic, cheap to read.</summary>
internal static class LoopClock
{
    /// <summary>The time now.</summary>
    internal static long Now => Environment.TickCount64;
}
