using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

// What the clients waited when all candidates had the same to do.
internal static class LatencyTable
{
    public static ResultTable Of(Workload workload, Rounds<Window> rounds, double rate) => CandidateTable.Of(
        string.Create(
            CultureInfo.InvariantCulture,
            $"{workload.Title}, at {Workload.PacedShare * 100:F0} % of stock's maximum ({rate:N0} {workload.Rate})"),
        rounds,
        (workload.Rate, result => Format(result.Median(window => window.Throughput), "N0")),
        ("p50 µs", result => Format(result.Median(window => window.Latency.P50), "N0")),
        ("p99 µs", result => Format(result.Median(window => window.Latency.P99), "N0")),
        ("to stock", result => Format(rounds.Ratio(result, window => window.Latency.P99), "F2")),
        ("p99.9 µs", result => Format(result.Median(window => window.Latency.P999), "N0")),
        ($"µs CPU/{workload.Unit}", result => Format(result.Median(window => window.Cpu), "F2")));

    private static string Format(double? value, string format) => CandidateTable.Format(value, format);
}
