namespace KestrelEventLoopTransport.Loops.Timers;

/// <summary>What a <see cref="TimerWheel"/> links into its slots. Only the wheel touches it.</summary>
internal abstract class TimerNode
{
    /// <summary>The slot of a node that is in no wheel.</summary>
    internal const int NoSlot = -1;

    internal TimerNode? Next { get; set; }

    internal TimerNode? Previous { get; set; }

    internal int Slot { get; set; } = NoSlot;

    /// <summary>
    /// Its time, while it is in a wheel. If it is less than that, the wheel gives the node out when its slot begins.
    /// </summary>
    internal virtual long DueAt => 0;

    /// <summary>Whether the node is in a wheel.</summary>
    internal bool IsLinked => Slot != NoSlot;
}
