namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// Application code that runs as a callback of a loop: where <see cref="CallbackScheduler"/> lets it, and watched by
/// the supervisor.
/// </summary>
/// <param name="loop">The loop.</param>
/// <param name="work">The code.</param>
/// <param name="type">The type whose code it is, for the log.</param>
internal sealed class LoopCallback(EventLoop loop, IThreadPoolWorkItem work, Type type)
    : IThreadPoolWorkItem, IDispatchTarget
{
    /// <summary>Runs it soon, once for each call.</summary>
    internal void Post()
    {
        if (loop.Callbacks.RunOnLoopAtHome)
        {
            loop.Post(this);
        }
        else
        {
            loop.Callbacks.Post(this);
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        if (loop.Callbacks.TryMoveToPool(this))
        {
            return;
        }

        using var scope = CallbackScope.Enter(this);
        work.Execute();
    }

    void IDispatchTarget.OnOverdue()
    {
        // Nothing of its own waits for its end.
    }

    string IDispatchTarget.Describe() => $"work of {type} that was posted to event loop {loop.Index}";
}
