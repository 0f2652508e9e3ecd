namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// The time in which the calling thread runs application code of a target. The supervisor watches it if the thread is
/// one that runs callbacks of loops; on another thread the scope does nothing.
/// </summary>
internal readonly ref struct CallbackScope
{
    private readonly ThreadActivity? _activity;
    private readonly IDispatchTarget? _outer;

    private CallbackScope(ThreadActivity? activity, IDispatchTarget? outer)
    {
        _activity = activity;
        _outer = outer;
    }

    /// <summary>Whether the supervisor watches the scope.</summary>
    internal bool IsWatched => _activity is not null;

    /// <summary>Begins a scope. Disposing it ends it. Scopes may nest.</summary>
    internal static CallbackScope Enter(IDispatchTarget target)
    {
        var activity = ThreadActivity.Current;
        return new CallbackScope(activity, activity?.Enter(target));
    }

    public void Dispose() => _activity?.Exit(_outer);
}
