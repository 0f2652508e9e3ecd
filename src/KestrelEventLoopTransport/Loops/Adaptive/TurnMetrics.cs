using System.Diagnostics.Metrics;
using KestrelEventLoopTransport.Diagnostics;

namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>
/// What each loop does, as instruments that read when they are asked. When loops have ended and others start, the
/// counts go on.
/// </summary>
internal sealed class TurnMetrics
{
    private readonly Lock _lock = new();
    private readonly TurnInstruments _timed;
    private EventLoop[] _loops = [];
    private LoopTotals[] _ended = [];

    internal TurnMetrics(Meter meter)
    {
        var busyTime = meter.CreateObservableCounter(
            "event_loop.busy_time", () => Observe(static (_, totals) => totals.Busy.TotalSeconds), "s",
            "Time that a loop has spent outside of its waits for events. The rate of it is the loop's load, from 0 to"
                + " 1.");
        var longestTurn = meter.CreateObservableGauge(
            "event_loop.longest_turn",
            () => Observe(static (loop, _) => loop.Counters.TakeLongest().TotalSeconds), "s",
            "Longest time from one wait for events to the next, since the observation before.");
        _timed = new TurnInstruments(busyTime, longestTurn);
        meter.CreateObservableCounter(
            "event_loop.turns", () => Observe(static (_, totals) => totals.Turns), "{turn}",
            "Times a loop has waited for events and done what came of it.");
        meter.CreateObservableCounter(
            "event_loop.events", () => Observe(static (_, totals) => totals.Events), "{event}",
            "Events that the waits have brought, wake-ups among them.");
        meter.CreateObservableUpDownCounter(
            "event_loop.connections", () => Observe(static (loop, _) => (long)loop.Load.Current), "{connection}",
            "Connections of a loop, accepted and dialed, whose descriptor is open.");
    }

    /// <summary>Loops run: the instruments read these.</summary>
    internal void Observe(EventLoop[] loops)
    {
        lock (_lock)
        {
            _ended = [.. loops.Select((_, number) => number < _loops.Length ? TotalsOf(number) : default)];
            _loops = loops;
        }

        Array.ForEach(loops, loop => loop.Counters.TimedBy = _timed);
    }

    private LoopTotals TotalsOf(int number) => _ended[number] + _loops[number].Counters.Read();

    private Measurement<T>[] Observe<T>(Func<EventLoop, LoopTotals, T> read)
        where T : struct
    {
        lock (_lock)
        {
            return Array.ConvertAll(_loops, loop => new Measurement<T>(
                read(loop, TotalsOf(loop.Index)), new KeyValuePair<string, object?>(LoopMetrics.Number, loop.Index)));
        }
    }
}
