using System.Diagnostics;
using KestrelEventLoopTransport.Diagnostics;
using KestrelEventLoopTransport.Loops;

namespace KestrelEventLoopTransport.Status;

/// <summary>
/// What the loops did in each of the last seconds. A timer takes a sample a second, from the first look on until ten
/// minutes after the last one; the loops measure their busy time for as long.
/// </summary>
internal sealed class StatusHistory : IDisposable
{
    /// <summary>Samples kept, one a second.</summary>
    internal const int Capacity = 300;

    // Milliseconds.
    private const int Interval = 1000;
    private const int Lifetime = 600_000;

    private readonly Lock _lock = new();
    private readonly EventLoopTransportMonitor _monitor;
    private readonly Timer _timer;
    private readonly Queue<StatusSample> _samples = new(Capacity);
    private EventLoopGroup? _group;
    private LoopTotals[] _last = [];
    private long _lastTime;
    private long _lastAccepted;
    private long _lastLook;
    private long _count;
    private bool _isDisposed;

    internal StatusHistory(EventLoopTransportMonitor monitor)
    {
        _monitor = monitor;
        _timer = new Timer(
            static history => ((StatusHistory)history!).OnTick(), this, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>Is called when the page has not been looked at for some seconds.</summary>
    internal Action? OnIdle { get; set; }

    /// <summary>Returns the samples. The first call starts to take them.</summary>
    internal StatusSample[] Look()
    {
        lock (_lock)
        {
            _lastLook = Environment.TickCount64;
            if (_group is null && _monitor.Group is { } group && !_isDisposed)
            {
                Follow(group);
                _timer.Change(Interval, Interval);
            }

            return [.. _samples];
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            Forget();
        }

        _timer.Dispose();
    }

    private void OnTick()
    {
        lock (_lock)
        {
            if (_isDisposed || _group is null)
            {
                return;
            }

            var unused = Environment.TickCount64 - _lastLook;
            if (unused > Lifetime)
            {
                Forget();
            }
            else
            {
                Sample();
            }

            if (unused > 5 * Interval)
            {
                OnIdle?.Invoke();
            }
        }
    }

    private void Sample()
    {
        if (_monitor.Group is { } group && group != _group)
        {
            // The loops have ended, and others run.
            Follow(group);
            return;
        }

        var now = Stopwatch.GetTimestamp();
        var seconds = Stopwatch.GetElapsedTime(_lastTime, now).TotalSeconds;
        if (seconds < 0.5)
        {
            // The tick before was late, and the timer catches up: rates over so short a time would mean nothing.
            return;
        }

        var busy = new double[_last.Length];
        long events = 0;
        var connections = 0;
        for (var i = 0; i < busy.Length; i++)
        {
            var loop = _group!.Loops[i];
            var totals = loop.Counters.Read();
            busy[i] = Math.Round(Math.Clamp((totals.Busy - _last[i].Busy).TotalSeconds / seconds, 0, 1), 4);
            events += totals.Events - _last[i].Events;
            connections += loop.Load.Current;
            _last[i] = totals;
        }

        var accepted = CountAccepted();
        var rate = Math.Max(accepted - _lastAccepted, 0) / seconds;
        _lastAccepted = accepted;
        _lastTime = now;
        if (_samples.Count == Capacity)
        {
            _samples.Dequeue();
        }

        _samples.Enqueue(new StatusSample(
            ++_count, busy, connections, Math.Round(events / seconds, 1), Math.Round(rate, 1)));
    }

    private void Follow(EventLoopGroup group)
    {
        Unwatch();
        _group = group;
        _last = new LoopTotals[group.Loops.Length];
        for (var i = 0; i < _last.Length; i++)
        {
            group.Loops[i].Counters.Watch();
            _last[i] = group.Loops[i].Counters.Read();
        }

        _lastAccepted = CountAccepted();
        _lastTime = Stopwatch.GetTimestamp();
    }

    private void Forget()
    {
        Unwatch();
        _group = null;
        _samples.Clear();
        _timer.Change(Timeout.Infinite, Timeout.Infinite);
    }

    private void Unwatch()
    {
        foreach (var loop in _group is null ? [] : _group.Loops)
        {
            loop.Counters.Unwatch();
        }
    }

    private long CountAccepted() => _monitor.Endpoints.Sum(static endpoint => endpoint.AcceptedConnections);
}
