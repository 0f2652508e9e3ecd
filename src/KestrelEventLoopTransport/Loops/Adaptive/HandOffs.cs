using System.Diagnostics;
using KestrelEventLoopTransport.Diagnostics;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// Hands loops whose callback is overdue to other threads, as the policy says. Only the supervisor's thread calls.
/// </summary>
internal sealed class HandOffs
{
    private readonly SupervisedLoop[] _loops;
    private readonly StandbyThreads _standbys;
    private readonly ActivityScanner _scanner;
    private readonly HandOffPolicy _policy;
    private readonly SupervisorPace _pace;
    private readonly SupervisorReport _report;

    /// <param name="loops">The loops.</param>
    /// <param name="standbys">The threads that they are handed to.</param>
    /// <param name="scanner">Knows how many callbacks compute.</param>
    /// <param name="pace">Hears of handlers that block.</param>
    /// <param name="report">Hears of every hand-off.</param>
    internal HandOffs(
        SupervisedLoop[] loops,
        StandbyThreads standbys,
        ActivityScanner scanner,
        SupervisorPace pace,
        SupervisorReport report)
    {
        _loops = loops;
        _standbys = standbys;
        _scanner = scanner;
        _policy = new HandOffPolicy(pace.Threshold, Environment.ProcessorCount);
        _pace = pace;
        _report = report;
    }

    /// <summary>Looks after the loops whose callback is overdue.</summary>
    internal void Run()
    {
        foreach (var supervised in _loops)
        {
            if (supervised.Owner is not { } owner || owner.Activity.Overdue == TimeSpan.Zero)
            {
                continue;
            }

            if (supervised.Loop.IsStopping)
            {
                EndStopped(supervised, owner.Activity);
            }
            else if (supervised.Loop.Callbacks.HandsOff && ShouldHandOff(supervised.Loop, owner))
            {
                HandOff(supervised, owner);
            }
        }
    }

    /// <summary>
    /// A loop that stops needs no other thread. Its own leaves when the application code returns, and the stop does not
    /// wait for that.
    /// </summary>
    private void EndStopped(SupervisedLoop supervised, ThreadActivity activity)
    {
        if (TryTake(activity))
        {
            _standbys.OnStuck();
            supervised.EndWithoutOwner();
        }
    }

    private bool ShouldHandOff(EventLoop loop, LoopThread owner)
    {
        var activity = owner.Activity;
        var blocked = owner.IsBlocked();
        activity.Computes = !blocked;
        return _policy.Allows(blocked, activity.Overdue, _scanner.CountComputing()) && (blocked || loop.HasWaiting);
    }

    private void HandOff(SupervisedLoop supervised, LoopThread owner)
    {
        var activity = owner.Activity;
        var thread = _standbys.TryTake();
        if (thread is null)
        {
            return;
        }

        var target = activity.Target;
        var blocked = !activity.Computes;
        if (!TryTake(activity))
        {
            // It has returned just now.
            if (!_standbys.TryPark(thread))
            {
                thread.End();
            }

            return;
        }

        _standbys.OnStuck();
        _report.OnTaken(blocked);
        supervised.Loop.Counters.OnHandOff();
        supervised.GiveTo(thread);
        _report.OnHandOff(activity, target);
        if (EventLoopEventSource.Log.IsOn(EventLoopEventSource.Keywords.HandOffs))
        {
            Trace(supervised.Loop.Index, owner.ReadThreadId(), blocked, _report.Describe(target));
        }

        if (blocked)
        {
            _pace.OnBlocked();
        }
    }

    /// <summary>Writes the event on the thread pool: a listener in this process is user code.</summary>
    private static void Trace(int loop, int threadId, bool blocked, string target)
        => ThreadPool.UnsafeQueueUserWorkItem(
            static handOff => EventLoopEventSource.Log.LoopHandedOff(
                handOff.loop, handOff.threadId, handOff.blocked ? "blocked" : "computing", handOff.target),
            (loop, threadId, blocked, target),
            preferLocal: false);

    private static bool TryTake(ThreadActivity activity)
        => activity.TryTake(Stopwatch.GetTimestamp() - (long)(activity.Overdue.TotalSeconds * Stopwatch.Frequency));
}
