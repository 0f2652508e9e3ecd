using System.Buffers;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Adaptive;
using Microsoft.Extensions.Logging.Abstractions;

namespace KestrelEventLoopTransport.Tests.Timers;

/// <summary>A loop that counts its turns. Disposing it ends it.</summary>
internal sealed class CountedLoop : ILoopSupervisor, IDisposable
{
    private readonly Thread _thread;
    private int _turns;

    public CountedLoop()
    {
        var activities = new ThreadActivities(this);
        Loop = new EventLoop(
            0,
            MemoryPool<byte>.Shared,
            ApplicationScheduling.Inline,
            this,
            new PoolActivities(activities, TimeSpan.Zero),
            NullLogger.Instance,
            static _ => { });
        _thread = new Thread(() =>
        {
            ThreadActivity.Current = activities.Add();
            Loop.Run(ThreadActivity.Current);
        });
        _thread.Start();
    }

    public EventLoop Loop { get; }

    /// <summary>How many turns have ended.</summary>
    public int Turns => Volatile.Read(ref _turns);

    bool ILoopSupervisor.CanHandOffAll => false;

    public void Dispose()
    {
        Loop.Stop();
        _thread.Join();
    }

    void ILoopSupervisor.EnsureAwake()
    {
        // No supervisor sleeps.
    }

    void ILoopSupervisor.OnProgress() => Interlocked.Increment(ref _turns);

    void ILoopSupervisor.OnStuckReturned(long since)
    {
        // No callback loses this loop.
    }
}
