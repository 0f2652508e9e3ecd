namespace KestrelEventLoopTransport.Benchmarks.Driver;

// CPU time per operation under one workload, and with --latency latencies.
internal sealed class WorkloadRow(Workload workload) : IRow
{
    public string Name => workload.Name;

    public bool TakesPart(Candidate candidate)
        => (workload.HasFloor || !candidate.IsFloor)
            && (!workload.NeedsUpstream || candidate.TakesUpstream)
            && (!workload.NeedsSilo || candidate.TakesSilo)
            && (candidate.OnlyWorkloads?.Contains(Name) ?? true);

    public async Task<IRowResult> RunAsync(
        IReadOnlyList<Candidate> candidates,
        RunningServers servers,
        RunSettings settings,
        CancellationToken cancellationToken)
        => await new WorkloadRun(workload, servers, settings).RunAsync(candidates, cancellationToken);
}
