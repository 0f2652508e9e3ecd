using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

internal static class WorkloadTable
{
    public static ResultTable Of(WorkloadResult row)
    {
        var rounds = row.Saturated;
        return CandidateTable.Of(
            row.Workload.Title,
            rounds,
            ($"µs CPU/{row.Workload.Unit}", result => Format(result.Median(window => window.Cpu), "F2")),
            ("to stock", result => Format(rounds.Ratio(result, window => window.Cpu), "F2")),
            ("±", result => Format(result.Spread(window => window.Cpu) * 100, "F0") + "%"),
            (row.Workload.Rate, result => Format(result.Median(window => window.Throughput), "N0")),
            ("p50 µs", result => Format(result.Median(window => window.Latency.P50), "N0")),
            ("p99 µs", result => Format(result.Median(window => window.Latency.P99), "N0")),
            ("p99.9 µs", result => Format(result.Median(window => window.Latency.P999), "N0")),
            ("busy", result => Format(result.Median(window => window.Busy) * 100, "F0") + "%"));
    }

    private static string Format(double? value, string format) => CandidateTable.Format(value, format);
}
