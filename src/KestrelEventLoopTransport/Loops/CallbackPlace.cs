namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// What the calling thread is inside of, seen from one target: that target's application code, which the supervisor
/// watches, or something else. Read once per event.
/// </summary>
internal readonly struct CallbackPlace
{
    private readonly ThreadActivity? _inside;

    private CallbackPlace(ThreadActivity inside) => _inside = inside;

    internal static CallbackPlace Of(IDispatchTarget target)
        => ThreadActivity.Current is { } activity && ReferenceEquals(activity.Target, target)
            ? new CallbackPlace(activity)
            : default;

    /// <summary>
    /// The same for an output that is flushed. In application code of another target it waits for the end of that, if
    /// no other output does: a proxy answers its client inside a callback of its upstream connection.
    /// </summary>
    /// <param name="target">The connection of the output.</param>
    /// <param name="output">The output.</param>
    /// <param name="loop">The loop of the connection.</param>
    internal static CallbackPlace OfFlush(IDispatchTarget target, ICorkedOutput output, EventLoop loop)
        => ThreadActivity.Current is { Target: { } running } activity
            && (ReferenceEquals(running, target) || activity.TryCork(output, loop.Supervisor))
                ? new CallbackPlace(activity)
                : default;

    /// <summary>
    /// Whether the thread is inside application code of the target, or inside other code whose end a flush waits for.
    /// </summary>
    internal bool IsInside => _inside is not null;

    /// <summary>
    /// Whether the thread is inside and has lost its loop by now, so that the supervisor does not look after it any
    /// more. The thread may lose it at any time: ask <em>after</em> leaving something for the supervisor to do.
    /// </summary>
    internal bool IsStuck => _inside is { State.IsStuck: true };
}
