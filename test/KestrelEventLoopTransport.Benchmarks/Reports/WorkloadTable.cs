using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

internal static class WorkloadTable
{
    public static ResultTable Of(WorkloadResult result)
    {
        var workload = result.Workload;
        string[] columns =
        [
            "candidate", $"µs CPU/{workload.Unit}", "to stock", "±",
            workload.Rate, "p50 µs", "p99 µs", "p99.9 µs", "busy", "RSS MB",
        ];
        var failed = result.Candidates.Where(candidate => candidate.Failure is not null);
        return new ResultTable(
            workload.Title,
            columns,
            [.. result.Candidates.Select(candidate => Row(result, candidate, columns.Length))],
            [.. failed.Select(candidate => $"{candidate.Candidate.Name}: {candidate.Failure}")]);
    }

    private static string[] Row(WorkloadResult result, CandidateResult candidate, int columns)
    {
        if (candidate.Failure is not null)
        {
            return [candidate.Candidate.Name, "FAILED", .. Enumerable.Repeat("", columns - 2)];
        }

        return
        [
            candidate.Candidate.Name,
            Format(candidate.Median(window => window.Cpu), "F2"),
            result.RatioToBaseline(candidate) is { } ratio ? Format(ratio, "F2") : "–",
            Format(candidate.Spread * 100, "F0") + "%",
            Format(candidate.Median(window => window.Throughput), "N0"),
            Format(candidate.Median(window => window.P50), "N0"),
            Format(candidate.Median(window => window.P99), "N0"),
            Format(candidate.Median(window => window.P999), "N0"),
            Format(candidate.Median(window => window.Busy) * 100, "F0") + "%",
            Format(candidate.ResidentBytes / 1e6, "N0"),
        ];
    }

    // Not a number is what the load generator cannot tell.
    public static string Format(double value, string format)
        => double.IsNaN(value) ? "–" : value.ToString(format, CultureInfo.InvariantCulture);
}
