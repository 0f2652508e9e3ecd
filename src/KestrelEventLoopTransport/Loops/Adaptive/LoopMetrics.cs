using System.Diagnostics.Metrics;
using KestrelEventLoopTransport.Diagnostics;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// What supervisors count, as instruments of the meter <c>KestrelEventLoopTransport</c>. Any thread may report, and any
/// may read: while loops end and others start, both have a supervisor. Listeners of the histogram are called on the
/// thread pool, so that one that blocks does not keep the supervisor.
/// </summary>
internal sealed class LoopMetrics
{
    internal const string MeterName = "KestrelEventLoopTransport";

    /// <summary>The tag that names a loop.</summary>
    internal const string Number = "event_loop.number";

    /// <summary>The tags that name a direction.</summary>
    internal static readonly KeyValuePair<string, object?> Receive = new("network.io.direction", "receive");

    /// <inheritdoc cref="Receive"/>
    internal static readonly KeyValuePair<string, object?> Transmit = new("network.io.direction", "transmit");

    private const string Reason = "event_loop.hand_off.reason";

    private static readonly KeyValuePair<string, object?> _blockedReason = new(Reason, "blocked");
    private static readonly KeyValuePair<string, object?> _computingReason = new(Reason, "computing");
    private static readonly KeyValuePair<string, object?> _parkedState = new("event_loop.thread.state", "parked");
    private static readonly KeyValuePair<string, object?> _stuckState = new("event_loop.thread.state", "stuck");

    // In seconds, from half the default threshold to what only a stuck handler takes. The default buckets are 0, 5, …
    private static readonly double[] _overdueBuckets =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    private readonly Histogram<double> _overdueDuration;
    private readonly PoolQueue<TimeSpan> _returned;
    private Func<TimeSpan>? _longestStuck;
    private Func<(int Parked, int Stuck)>? _countStandbys;
    private long _blocked;
    private long _computing;
    private long _longest;

    internal LoopMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        meter.CreateObservableCounter(
            "event_loop.hand_offs", ObserveHandOffs, "{hand_off}",
            "Times a loop went on with another thread because application code kept its own.");
        meter.CreateObservableUpDownCounter(
            "event_loop.standby_threads", ObserveStandbys, "{thread}",
            "Threads beside the ones that run loops: parked, or stuck in application code that lost its loop.");
        meter.CreateObservableGauge(
            "event_loop.longest_callback", () => LongestCallback.TotalSeconds, "s",
            "Longest time that application code has kept a thread, among those that took longer than the threshold.");
        _overdueDuration = meter.CreateHistogram<double>(
            "event_loop.overdue_callback.duration", "s",
            "How long application code kept a thread, each time it took longer than the threshold.",
            tags: null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = _overdueBuckets });
        _returned = new PoolQueue<TimeSpan>(Record);
        Turns = new TurnMetrics(meter);
    }

    /// <summary>What the loops count themselves.</summary>
    internal TurnMetrics Turns { get; }

    internal TimeSpan LongestCallback
    {
        get
        {
            var stuck = Volatile.Read(ref _longestStuck)?.Invoke() ?? TimeSpan.Zero;
            return new(Math.Max(stuck.Ticks, Volatile.Read(ref _longest)));
        }
    }

    /// <summary>Hand-offs from threads that were blocked, and from threads that were computing.</summary>
    internal (long Blocked, long Computing) HandOffs => (Volatile.Read(ref _blocked), Volatile.Read(ref _computing));

    /// <summary>Threads beside the ones that run loops.</summary>
    internal (int Parked, int Stuck) Standbys => Volatile.Read(ref _countStandbys)?.Invoke() ?? default;

    /// <summary>Loops run: the instruments ask these.</summary>
    /// <param name="longestStuck">How long application code has kept a stuck thread.</param>
    /// <param name="countStandbys">The number of threads that are parked and that are stuck.</param>
    internal void Observe(Func<TimeSpan> longestStuck, Func<(int Parked, int Stuck)> countStandbys)
    {
        Volatile.Write(ref _longestStuck, longestStuck);
        Volatile.Write(ref _countStandbys, countStandbys);
    }

    internal void OnHandOff(bool blocked)
    {
        Interlocked.Increment(ref blocked ? ref _blocked : ref _computing);
    }

    /// <summary>Application code is overdue, and has run for so long.</summary>
    internal void OnOverdue(TimeSpan duration)
    {
        var longest = Volatile.Read(ref _longest);
        while (duration.Ticks > longest)
        {
            var before = Interlocked.CompareExchange(ref _longest, duration.Ticks, longest);
            if (before == longest)
            {
                return;
            }

            longest = before;
        }
    }

    /// <summary>Application code that was overdue has returned.</summary>
    internal void OnReturned(TimeSpan duration)
    {
        if (_overdueDuration.Enabled)
        {
            _returned.Add(duration);
        }
    }

    private void Record(TimeSpan duration)
    {
        try
        {
            _overdueDuration.Record(duration.TotalSeconds);
        }
        catch (Exception)
        {
            // A listener threw. The process must not end with it.
        }
    }

    private Measurement<long>[] ObserveHandOffs()
    {
        var (blocked, computing) = HandOffs;
        return [new(blocked, _blockedReason), new(computing, _computingReason)];
    }

    private Measurement<long>[] ObserveStandbys()
    {
        var (parked, stuck) = Standbys;
        return [new(parked, _parkedState), new(stuck, _stuckState)];
    }
}
