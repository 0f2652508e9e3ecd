using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

// All workloads in one table, a row each: the tables of the README.
internal static class SummaryTable
{
    // Null without workloads.
    public static ResultTable? OfCpu(IReadOnlyList<WorkloadResult> workloads) => Of(
        "Summary",
        "µs of server CPU per operation (ratio to stock)",
        [.. workloads.Select(row => (row.Workload, row.Saturated))],
        window => window.Cpu,
        "F2");

    // Null if no workload was measured at a rate.
    public static ResultTable? OfLatency(IReadOnlyList<WorkloadResult> workloads) => Of(
        "Summary of latencies",
        $"p99 in µs at {Workload.PacedShare * 100:F0} % of stock's maximum (ratio to stock)",
        [.. workloads.Where(row => row.Paced is not null).Select(row => (row.Workload, row.Paced!))],
        window => window.Latency.P99,
        "N0");

    private static ResultTable? Of(
        string title,
        string measure,
        IReadOnlyList<(Workload Workload, Rounds<Window> Rounds)> rows,
        Func<Window, double> value,
        string format)
    {
        // What takes part in one workload only stands in that workload's own table.
        var candidates = rows
            .SelectMany(row => row.Rounds.Results)
            .Select(result => result.Candidate)
            .Where(candidate => candidate.OnlyWorkloads is null)
            .DistinctBy(candidate => candidate.Name)
            .ToList();
        return candidates.Count == 0 ? null : new ResultTable(
            title,
            [measure, .. candidates.Select(candidate => candidate.Title)],
            [.. rows.Select(row => (string[])[
                row.Workload.Title + (row.Workload.Unit == Workload.Megabyte ? ", per MB" : ""),
                .. candidates.Select(candidate => Cell(row.Rounds, candidate.Name, value, format)),
            ])],
            []);
    }

    private static string Cell(Rounds<Window> rounds, string name, Func<Window, double> value, string format)
    {
        var result = rounds.Results.FirstOrDefault(result => result.Candidate.Name == name);
        if (result is null)
        {
            return "–";
        }

        if (result.Failure is not null)
        {
            return "FAILED";
        }

        var ratio = rounds.Ratio(result, value);
        var text = CandidateTable.Format(result.Median(value), format);
        return ratio is null or double.NaN || result.Candidate.Name == Candidate.Baseline
            ? text
            : $"{text} ({CandidateTable.Format(ratio, "F2")})";
    }
}
