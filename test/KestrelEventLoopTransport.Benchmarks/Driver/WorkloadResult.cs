using KestrelEventLoopTransport.Benchmarks.Reports;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// Saturated: As many operations as possible.
// Paced: At the rate that is the same for all; null when the workload was not measured so.
internal sealed record WorkloadResult(Workload Workload, Rounds<Window> Saturated, Rounds<Window>? Paced, double Rate)
    : IRowResult
{
    public IEnumerable<ResultTable> Tables
        => Paced is null
            ? [WorkloadTable.Of(this)]
            : [WorkloadTable.Of(this), LatencyTable.Of(Workload, Paced, Rate)];
}
