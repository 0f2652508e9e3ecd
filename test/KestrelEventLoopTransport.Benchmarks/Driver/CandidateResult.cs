namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal sealed class CandidateResult(Candidate candidate)
{
    public Candidate Candidate { get; } = candidate;

    public List<Window> Windows { get; } = [];

    // At the rate that is the same for all candidates, see --latency.
    public List<Window> PacedWindows { get; } = [];

    // Resident bytes after the load.
    public long ResidentBytes { get; set; }

    public string? Failure { get; set; }

    // Half the distance between the dearest and the cheapest round, as a share of the median.
    public double Spread
        => (Windows.Max(window => window.Cpu) - Windows.Min(window => window.Cpu)) / 2 / Median(w => w.Cpu);

    public double Median(Func<Window, double> value) => Median(Windows, value);

    public double PacedMedian(Func<Window, double> value) => Median(PacedWindows, value);

    private static double Median(List<Window> windows, Func<Window, double> value)
    {
        var sorted = windows.Select(value).Order().ToArray();
        var middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
