using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Tests.Timers;

/// <summary>A timer that counts how often it fires, and notes when.</summary>
/// <param name="loop">The loop that calls back.</param>
/// <param name="onDue">Is called each time. Returns when to call again.</param>
internal sealed class Alarm(EventLoop loop, Func<long, long>? onDue = null) : LoopTimer(loop)
{
    private readonly TaskCompletionSource _fired = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _count;
    private long _firedAt;

    /// <summary>Ends when it has fired.</summary>
    public Task Fired => _fired.Task;

    public int Count => Volatile.Read(ref _count);

    public long FiredAt => Volatile.Read(ref _firedAt);

    protected override long OnDue(long now)
    {
        Volatile.Write(ref _firedAt, LoopClock.Now);
        Interlocked.Increment(ref _count);
        _fired.TrySetResult();
        return onDue?.Invoke(now) ?? Never;
    }
}
