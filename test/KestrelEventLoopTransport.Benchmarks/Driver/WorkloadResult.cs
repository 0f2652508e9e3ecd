namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal sealed record WorkloadResult(Workload Workload, IReadOnlyList<CandidateResult> Candidates)
{
    // CPU per operation as a share of the stock default's in the same run; null without the stock default.
    public double? RatioToBaseline(CandidateResult result)
    {
        var baseline = Candidates.FirstOrDefault(other => other.Candidate.Name == Candidate.Baseline);
        return baseline is null or { Failure: not null } || result.Failure is not null
            ? null
            : result.Median(window => window.Cpu) / baseline.Median(window => window.Cpu);
    }
}
