using KestrelEventLoopTransport.Loops.Timers;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Connections;

/// <summary>Something that <see cref="FrameTimers"/> looks at when its time has come.</summary>
internal abstract class FrameTimer : TimerNode, IThreadPoolWorkItem
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
    /// <param name="acts">Whether <see cref="Act"/> is to be called.</param>
    /// <returns>When to look again, or <see cref="Never"/>.</returns>
    internal abstract long Look(long now, out bool acts);

    /// <summary>
    /// Does what <see cref="Look"/> has found. Runs on the thread pool, because it calls code of others: a logger that
    /// blocks must hold neither an event loop nor the clock.
    /// </summary>
    protected abstract void Act();

    void IThreadPoolWorkItem.Execute()
    {
        try
        {
            Act();
        }
        catch (Exception)
        {
            // A logger or a transport has thrown. What escapes from here ends the process.
        }
    }

    /// <summary>What a connection ends with when a time-out has passed.</summary>
    protected static ConnectionAbortedException TimedOut(string reason) => new(reason, new TimeoutException(reason));
}
