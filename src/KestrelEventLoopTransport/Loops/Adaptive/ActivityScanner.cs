using System.Diagnostics;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// Looks at every activity and keeps the notes: which state it had, and how long its callback has run. The thread that
/// owns the notes (<see cref="WatchWord"/>) calls, but for <see cref="LongestStuck"/>.
/// </summary>
/// <param name="activities">The activities.</param>
/// <param name="pace">Knows for how long callbacks have run.</param>
/// <param name="report">Gets what is found.</param>
internal sealed class ActivityScanner(ThreadActivities activities, SupervisorPace pace, SupervisorReport report)
{
    /// <summary>How many callbacks had begun at the last scan since the one before.</summary>
    internal int Begun { get; private set; }

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
    internal ScanResult Scan()
    {
        var ran = pace.Advance();
        var result = ScanResult.None;
        Begun = 0;
        foreach (var activity in activities.All)
        {
            result |= Look(activity, ran);
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

    private ScanResult Look(ThreadActivity activity, TimeSpan ran)
    {
        var state = activity.State;
        Begun += state.CountBegunSince(activity.LastSeen);
        var wasOverdue = activity.Overdue > TimeSpan.Zero;
        var isNew = activity.TryNote(state);
        if (isNew)
        {
            report.OnReturned(activity.Overdue);
            activity.Overdue = activity.TryGetBeginning(state, out var began) ? pace.GetAge(began) : TimeSpan.Zero;
            wasOverdue = false;
        }

        if (!state.IsRunning)
        {
            return ScanResult.None;
        }

        activity.Overdue += isNew ? TimeSpan.Zero : ran;
        if (activity.Overdue == TimeSpan.Zero)
        {
            return isNew ? ScanResult.Running : ScanResult.Running | ScanResult.Kept;
        }

        if (!wasOverdue || pace.IsThreshold)
        {
            report.OnOverdue(activity);
        }

        return ScanResult.Running | ScanResult.Kept | ScanResult.Overdue;
    }
}
