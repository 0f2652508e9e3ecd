using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// Tells the rest of the world what the supervisor finds: the target whose callback does not return, the instruments
/// and the log.
/// </summary>
/// <param name="threshold">How long a callback may keep its loop.</param>
/// <param name="metrics">The instruments.</param>
/// <param name="log">The log.</param>
internal sealed class SupervisorReport(TimeSpan threshold, LoopMetrics metrics, HandOffLog log)
{
    /// <summary>A callback has not returned. The supervisor calls, at most once per threshold.</summary>
    internal void OnOverdue(ThreadActivity activity)
    {
        metrics.OnOverdue(activity.Overdue);
        CallTarget(activity);
    }

    /// <summary>A callback has returned with its loop. The supervisor calls.</summary>
    /// <param name="overdue">How long it was seen to run; zero for most.</param>
    internal void OnReturned(TimeSpan overdue)
    {
        // It has run for up to a tick longer than was seen.
        if (overdue >= threshold / 2)
        {
            metrics.OnReturned(overdue);
        }
    }

    /// <summary>A callback that had lost its loop has returned. Its thread calls.</summary>
    /// <param name="since">The timestamp at which it began.</param>
    internal void OnStuckReturned(long since)
    {
        var duration = Stopwatch.GetElapsedTime(since);
        metrics.OnOverdue(duration);
        OnReturned(duration);
    }

    /// <summary>A callback has lost its loop, which is about to be handed off. The supervisor calls.</summary>
    /// <param name="blocked">Whether the callback blocks, rather than computes.</param>
    internal void OnTaken(bool blocked) => metrics.OnHandOff(blocked);

    /// <summary>The loop of a callback was handed off. The supervisor calls.</summary>
    /// <param name="activity">The activity of the callback.</param>
    /// <param name="target">The target when the hand-off began.</param>
    internal void OnHandOff(ThreadActivity activity, IDispatchTarget? target)
    {
        // For what it has flushed since the last call. From here on its output is not held back.
        CallTarget(activity);
        log.OnHandOff(target);
    }

    /// <summary>What a target is; empty if it does not say.</summary>
    internal string Describe(IDispatchTarget? target)
    {
        try
        {
            return target?.Describe() ?? "";
        }
        catch (Exception exception)
        {
            // An endpoint of the application's own class threw.
            log.OnFailure(exception);
            return "";
        }
    }

    private void CallTarget(ThreadActivity activity)
    {
        try
        {
            try
            {
                activity.Target?.OnOverdue();
            }
            finally
            {
                activity.Corked?.Uncork();
            }
        }
        catch (Exception exception)
        {
            // A logger that throws must not end the supervision.
            log.OnFailure(exception);
        }
    }
}
