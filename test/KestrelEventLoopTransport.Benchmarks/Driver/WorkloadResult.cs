namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal sealed record WorkloadResult(Workload Workload, IReadOnlyList<CandidateResult> Candidates)
{
    // The stock default; null when it was not measured or failed.
    public CandidateResult? Baseline => Candidates.FirstOrDefault(
        result => result.Candidate.Name == Candidate.Baseline && result.Failure is null);

    // Operations per second at which latencies are compared; null without the stock default.
    public double? PacedRate => Baseline?.Median(window => window.Throughput) * Workload.PacedShare;

    // CPU per operation as a share of the stock default's in the same run; null without the stock default.
    public double? RatioToBaseline(CandidateResult result)
        => Baseline is null || result.Failure is not null
            ? null
            : result.Median(window => window.Cpu) / Baseline.Median(window => window.Cpu);

    // The same of the 99th percentile of latency, at the same rate.
    public double? PacedP99ToBaseline(CandidateResult result)
        => result.PacedMedian(window => window.P99) / Baseline?.PacedMedian(window => window.P99);
}
