using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Loops;

/// <summary>What an application sees of a loop.</summary>
/// <param name="loop">The loop.</param>
internal sealed class LoopFeature(EventLoop loop) : TimeProvider, IEventLoopFeature
{
    /// <summary>Under which types a connection has it as a feature.</summary>
    internal static readonly Type[] Types = [typeof(IEventLoopFeature), typeof(TimeProvider)];

    public int Index => loop.Index;

    public bool IsCurrent => loop.IsCurrent;

    public TimeProvider Time => this;

    public void Post(IThreadPoolWorkItem work)
    {
        ArgumentNullException.ThrowIfNull(work);
        new LoopCallback(loop, work, work.GetType()).Post();
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new CallbackTimer(loop, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }
}
