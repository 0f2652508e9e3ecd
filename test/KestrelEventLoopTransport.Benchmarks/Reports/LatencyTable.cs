using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

// What the clients waited when all candidates had the same to do.
internal static class LatencyTable
{
    // Null when the workload was not measured at a rate. Failures are in the workload's own table.
    public static ResultTable? Of(WorkloadResult result)
    {
        var workload = result.Workload;
        var measured = result.Candidates
            .Where(candidate => candidate.Failure is null && candidate.PacedWindows.Count > 0)
            .ToList();
        string[] columns =
        [
            "candidate", workload.Rate, "p50 µs", "p99 µs", "to stock", "p99.9 µs", $"µs CPU/{workload.Unit}",
        ];
        return measured.Count == 0
            ? null
            : new ResultTable(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{workload.Title}, at {Workload.PacedShare * 100:F0} % of stock's maximum "
                        + $"({result.PacedRate:N0} {workload.Rate})"),
                columns,
                [.. measured.Select(candidate => Row(result, candidate))],
                []);
    }

    private static string[] Row(WorkloadResult result, CandidateResult candidate) =>
    [
        candidate.Candidate.Name,
        WorkloadTable.Format(candidate.PacedMedian(window => window.Throughput), "N0"),
        WorkloadTable.Format(candidate.PacedMedian(window => window.P50), "N0"),
        WorkloadTable.Format(candidate.PacedMedian(window => window.P99), "N0"),
        result.PacedP99ToBaseline(candidate) is { } ratio ? WorkloadTable.Format(ratio, "F2") : "–",
        WorkloadTable.Format(candidate.PacedMedian(window => window.P999), "N0"),
        WorkloadTable.Format(candidate.PacedMedian(window => window.Cpu), "F2"),
    ];
}
