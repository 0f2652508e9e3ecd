using System.Net.Sockets;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// What the rounds have measured of one candidate.
internal sealed class CandidateResult<TWindow>(Candidate candidate)
{
    public Candidate Candidate { get; } = candidate;

    // One for each round.
    public List<TWindow> Windows { get; } = [];

    public string? Failure { get; private set; }

    public double Median(Func<TWindow, double> value) => Windows.Select(value).Median();

    // The median of the rounds' ratios: what slows the machine down for a while is in both parts of a ratio.
    public double MedianRatio(CandidateResult<TWindow> baseline, Func<TWindow, double> value)
        => Windows.Zip(baseline.Windows, (window, other) => value(window) / value(other)).Median();

    // Half the distance between the highest and the lowest round, as a share of the median.
    public double Spread(Func<TWindow, double> value)
        => (Windows.Max(value) - Windows.Min(value)) / 2 / Median(value);

    // A failure takes the candidate out of this row and makes the run fail at its end.
    public async Task GuardAsync(Func<Task> step)
    {
        if (Failure is not null)
        {
            return;
        }

        try
        {
            await step();
        }
        catch (Exception e)
            when (e is BenchmarkFailedException or HttpRequestException or SocketException or IOException
                or TaskCanceledException { InnerException: TimeoutException })
        {
            Failure = e.Message;
            Console.WriteLine($"  FAILED    {Candidate.Name}: {e.Message}");
        }
    }
}
