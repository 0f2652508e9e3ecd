namespace KestrelEventLoopTransport.Benchmarks.Loads;

// When a worker calls, and how long its calls took, in microseconds.
internal sealed class CallSchedule(CallWindow window, double interval, double due)
{
    private double _due = due;

    public List<double> Latencies { get; } = [];

    public long Calls { get; private set; }

    public long Errors { get; private set; }

    // Calls until the window is over.
    public async Task RepeatAsync(Func<Task> call)
    {
        while (true)
        {
            var early = _due - window.Now;
            if (early > 0)
            {
                await Task.Delay(TimeSpan.FromSeconds(early));
            }

            var began = window.Now;
            if (window.IsOver(began))
            {
                return;
            }

            await call();
            Calls++;
            _due += interval;
            if (window.HasLatencies(began))
            {
                Latencies.Add((window.Now - began) * 1e6);
            }
        }
    }

    public void Fail() => Errors++;
}
