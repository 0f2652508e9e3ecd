using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>Something that <see cref="FrameTimers"/> looks at when its time has come.</summary>
internal abstract class FrameTimer : TimerNode
{
    /// <summary>The time of a timer that is not set.</summary>
    internal const long Never = TimerWheel.Never;

    /// <summary>When it is looked at. Only <see cref="FrameTimers"/> sets it, under its lock.</summary>
    internal long Due { get; set; } = Never;

    /// <summary>
    /// The time has come. Runs under the lock of <see cref="FrameTimers"/>, and on the thread of an event loop, so it
    /// only marks and queues.
    /// </summary>
    /// <param name="now">The timestamp now.</param>
    /// <returns>When to look again, or <see cref="Never"/>.</returns>
    internal abstract long Look(long now);

    /// <summary>Does what <see cref="Look"/> has found that must not be done under the lock.</summary>
    internal abstract void Act();
}
