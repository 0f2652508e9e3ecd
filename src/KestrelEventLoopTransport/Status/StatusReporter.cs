using System.Diagnostics;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Listening;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Loops.Adaptive;

namespace KestrelEventLoopTransport.Status;

/// <summary>Makes the reports. Any thread may ask; no loop waits for it.</summary>
internal sealed class StatusReporter
{
    private const int MaxHandlers = 50;

    private readonly DateTimeOffset _started = DateTimeOffset.UtcNow;
    private readonly EventLoopTransportMonitor _monitor;
    private readonly LoopMetrics _metrics;
    private readonly StatusHistory _history;
    private readonly ConnectionSurvey _survey = new();
    private readonly ConnectionSelection _selection;

    internal StatusReporter(EventLoopTransportMonitor monitor, LoopMetrics metrics, StatusHistory history)
    {
        _monitor = monitor;
        _metrics = metrics;
        _history = history;
        _selection = new ConnectionSelection(_survey);
        history.OnIdle = _survey.Forget;
    }

    internal StatusReport Create(ConnectionQuery query, bool allowAbort)
    {
        var group = _monitor.Group;
        var history = _history.Look();
        var handlers = group is null ? [] : FindHandlers(group.Activities);
        var (blocked, computing) = _metrics.HandOffs;
        var (parked, stuck) = _metrics.Standbys;
        return new StatusReport(
            DateTimeOffset.UtcNow,
            _started,
            Environment.ProcessId,
            Polling.Poller.Name,
            allowAbort,
            blocked,
            computing,
            parked,
            stuck,
            group is null ? [] : DescribeLoops(group.Loops, history.LastOrDefault()?.Busy, handlers),
            [.. _monitor.Endpoints.Select(static endpoint => Describe(endpoint.Listener))],
            [.. _monitor.DatagramEndpoints.Select(static endpoint => Describe(endpoint))],
            [.. handlers.Take(MaxHandlers)],
            _selection.Select(_survey.Look(group is null ? [] : group.Loops), query),
            [.. history.Where(sample => sample.Number > query.After)]);
    }

    /// <summary>The open connection with an id; null when there is none.</summary>
    internal StreamConnection? Find(string id)
    {
        var polled = new List<IPollable>();
        foreach (var loop in _monitor.Group is { } group ? group.Loops : [])
        {
            loop.CopyPolledTo(polled, ConnectionSurvey.MaxConnections);
        }

        return polled.OfType<StreamConnection>().FirstOrDefault(connection => connection.ConnectionId == id);
    }

    private static LoopReport[] DescribeLoops(
        ReadOnlySpan<EventLoop> loops, double[]? busy, HandlerReport[] handlers)
    {
        var reports = new LoopReport[loops.Length];
        for (var i = 0; i < reports.Length; i++)
        {
            var totals = loops[i].Counters.Read();
            var load = loops[i].Load;
            reports[i] = new LoopReport(
                i,
                busy?.Length > i ? busy[i] : null,
                totals.Turns,
                totals.Events,
                load.Current,
                load.Total,
                loops[i].Counters.HandOffs,
                handlers.FirstOrDefault(handler => handler.Loop == i && !handler.HasLostLoop));
        }

        return reports;
    }

    private static ListenerReport Describe(EventLoopListener listener)
    {
        var counts = listener.Limiter.Counts;
        var queue = listener.ReadQueue();
        return new ListenerReport(
            listener.EndPoint.ToString() ?? "",
            listener.Limiter.Current,
            listener.Limiter.Max,
            counts[ListenerCount.Accepted],
            counts[ListenerCount.Refused],
            counts[ListenerCount.Failed],
            counts[ListenerCount.LimitPauses] + counts[ListenerCount.ShortagePauses]
                + counts[ListenerCount.UntakenPauses],
            queue?.Length,
            queue?.Limit,
            listener.CountDropped());
    }

    private static DatagramReport Describe(DatagramEndpoint endpoint) => new(
        endpoint.EndPoint.ToString() ?? "",
        endpoint.ReceivedDatagrams,
        endpoint.SentDatagrams,
        endpoint.DroppedSends,
        endpoint.FailedSends,
        endpoint.KernelDrops);

    private static HandlerReport[] FindHandlers(ReadOnlySpan<ThreadActivity> activities)
    {
        var handlers = new List<HandlerReport>();
        foreach (var activity in activities)
        {
            if (Describe(activity) is { } handler)
            {
                handlers.Add(handler);
            }
        }

        return [.. handlers.OrderByDescending(static handler => handler.Seconds)];
    }

    /// <summary>Null when the thread runs nothing that takes long.</summary>
    private static HandlerReport? Describe(ThreadActivity activity)
    {
        // In this order: the time is written before the thread is stuck.
        var state = activity.State;
        var duration = state.IsStuck ? Stopwatch.GetElapsedTime(activity.StuckSince)
            : state.IsRunning && state == activity.LastSeen ? activity.Overdue
            : TimeSpan.Zero;
        var target = activity.Target;
        if (duration <= TimeSpan.Zero || target is null || activity.State != state)
        {
            return null;
        }

        return new HandlerReport(
            target.Describe(),
            (target as StreamConnection)?.Loop.Index,
            Math.Round(duration.TotalSeconds, 3),
            state.IsStuck);
    }
}
