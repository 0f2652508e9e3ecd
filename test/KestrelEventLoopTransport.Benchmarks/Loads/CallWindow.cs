using System.Diagnostics;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

// A window in which workers make calls, each one at a time. At a rate, each has its schedule, shifted against the
// others'; it calls what is due within a millisecond, as far as timers are exact, and latency counts from the call.
internal sealed class CallWindow(double seconds)
{
    // The client's own JIT is not what is measured.
    private const double ShareWithoutLatencies = 0.5;

    private readonly Stopwatch _clock = new();

    // Rate: Calls per second of all workers together; 0: as many as possible.
    // Work: What a worker does; it makes its calls through the schedule that it is given.
    public async Task<LoadResult> RunAsync(int workers, double rate, Func<int, CallSchedule, Task> work)
    {
        var interval = rate > 0 ? workers / rate : 0;
        var schedules = Enumerable.Range(0, workers).Select(
            worker => new CallSchedule(this, interval, interval * worker / workers)).ToList();
        _clock.Start();
        await Task.WhenAll(schedules.Select((schedule, worker) => Task.Run(() => work(worker, schedule))));
        var elapsed = _clock.Elapsed.TotalSeconds;
        var latencies = schedules.SelectMany(schedule => schedule.Latencies).Order().ToList();
        return new LoadResult(
            schedules.Sum(schedule => schedule.Calls),
            0,
            elapsed,
            schedules.Sum(schedule => schedule.Errors),
            Latencies.Of(latencies));
    }

    public double Now => _clock.Elapsed.TotalSeconds;

    public bool IsOver(double time) => time >= seconds;

    public bool HasLatencies(double time) => time >= seconds * ShareWithoutLatencies;
}
