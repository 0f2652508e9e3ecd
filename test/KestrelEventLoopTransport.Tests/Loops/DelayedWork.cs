using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Tests.Loops;

/// <summary>Work that a loop runs once, after a delay.</summary>
internal sealed class DelayedWork(EventLoop loop, IThreadPoolWorkItem work) : LoopTimer(loop)
{
    internal static void Schedule(EventLoop loop, IThreadPoolWorkItem work, int milliseconds)
        => new DelayedWork(loop, work).Set(LoopClock.After(milliseconds));

    protected override long OnDue(long now)
    {
        Loop.Post(work);
        return Never;
    }
}
