using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// Looks at every activity and keeps the notes: which state it had, and how long its callback has run. The thread that
/// owns the notes (<see cref="WatchWord"/>) calls, but for <see cref="LongestStuck"/>.
/// </summary>
/// <param name="activities">The activities.</param>
/// <param name="report">Gets what is found.</param>
internal sealed class ActivityScanner(ThreadActivities activities, SupervisorReport report)
{
    /// <summary>For how long the code has run that has kept a stuck thread longest. Any thread may ask.</summary>
    internal TimeSpan LongestStuck
    {
        get
        {
            var longest = TimeSpan.Zero;
            foreach (var activity in activities.All)
            {
                // In this order: the time is written before the thread is stuck.
                var duration = activity.State.IsStuck ? Stopwatch.GetElapsedTime(activity.StuckSince) : TimeSpan.Zero;
                longest = duration > longest ? duration : longest;
            }

            return longest;
        }
    }

    /// <summary>The supervisor looks: it adds time to callbacks that have not returned, and reports them.</summary>
    /// <param name="ran">For how long application code has run since the last scan.</param>
    /// <param name="isThreshold">Whether callbacks that are overdue already are reported again.</param>
    internal ScanResult Scan(TimeSpan ran, bool isThreshold)
    {
        var result = ScanResult.None;
        foreach (var activity in activities.All)
        {
            var state = activity.State;
            if (activity.TryNote(state))
            {
                result |= ScanResult.Changed;
                report.OnReturned(activity.Overdue);
                activity.Overdue = TimeSpan.Zero;
            }
            else if (state.IsRunning)
            {
                result |= ScanResult.Kept;
                var isNew = activity.Overdue == TimeSpan.Zero;
                activity.Overdue += ran;
                if (activity.Overdue > TimeSpan.Zero)
                {
                    result |= ScanResult.Overdue;
                    ReportOverdue(activity, isNew || isThreshold);
                }
            }

            result |= state.IsRunning ? ScanResult.Running : 0;
        }

        return result;
    }

    /// <summary>
    /// A loop looks in the supervisor's place: it notes the states if no callback has run since the last scan. If one
    /// has, it notes nothing, and the supervisor finds the callback in time.
    /// </summary>
    internal bool TryNoteAll()
    {
        foreach (var activity in activities.All)
        {
            var state = activity.State;
            if (state.IsRunning && state == activity.LastSeen)
            {
                return false;
            }
        }

        foreach (var activity in activities.All)
        {
            Debug.Assert(activity.Overdue == TimeSpan.Zero, "While a loop may look, none is overdue.");
            activity.TryNote(activity.State);
        }

        return true;
    }

    /// <summary>How many overdue callbacks were using a processor when last looked at.</summary>
    internal int CountComputing()
    {
        var count = 0;
        foreach (var activity in activities.All)
        {
            count += activity.Computes ? 1 : 0;
        }

        return count;
    }

    private void ReportOverdue(ThreadActivity activity, bool isDue)
    {
        if (isDue)
        {
            report.OnOverdue(activity);
        }
    }
}
