using System.Globalization;
using System.Text;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

/// <summary>Rows of text under a title, as they stand on the terminal and in the Markdown file.</summary>
internal sealed record ResultTable(string Title, IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<string>> Rows)
{
    public static ResultTable Of(WorkloadResult result)
    {
        var unit = result.Workload.Unit;
        return new ResultTable(
            result.Workload.Title,
            ["candidate", $"µs CPU/{unit}", "to stock", "±", $"{unit}s/s", "p50 µs", "p99 µs", "p99.9 µs", "busy", "RSS MB"],
            [.. result.Candidates.Select(candidate => Row(result, candidate))]);
    }

    public string ToText()
    {
        var widths = Columns.Select((column, i) => Rows.Select(row => row[i].Length).Append(column.Length).Max()).ToArray();
        var text = new StringBuilder().AppendLine(Title);
        foreach (var row in Rows.Prepend(Columns))
        {
            text.Append("  ").AppendLine(string.Join("  ", row.Select((cell, i) =>
                i == 0 ? cell.PadRight(widths[i]) : cell.PadLeft(widths[i]))));
        }

        return text.ToString();
    }

    public string ToMarkdown()
    {
        var text = new StringBuilder().Append("## ").AppendLine(Title).AppendLine();
        text.Append("| ").Append(string.Join(" | ", Columns)).AppendLine(" |");
        text.Append("|---|").Insert(text.Length, "--:|", Columns.Count - 1).AppendLine();
        foreach (var row in Rows)
        {
            text.Append("| ").Append(string.Join(" | ", row)).AppendLine(" |");
        }

        return text.ToString();
    }

    private static List<string> Row(WorkloadResult result, CandidateResult candidate)
    {
        if (candidate.Failure is not null)
        {
            return [candidate.Candidate.Name, "FAILED", .. Enumerable.Repeat("", 8)];
        }

        return
        [
            candidate.Candidate.Name,
            Format(candidate.Median(window => window.Cpu), "F2"),
            result.RatioToBaseline(candidate) is { } ratio ? Format(ratio, "F2") : "",
            Format(candidate.Spread, "P0"),
            Format(candidate.Median(window => window.Throughput), "N0"),
            Format(candidate.Median(window => window.P50), "N0"),
            Format(candidate.Median(window => window.P99), "N0"),
            Format(candidate.Median(window => window.P999), "N0"),
            Format(candidate.Median(window => window.Busy), "P0"),
            Format(candidate.ResidentBytes / 1e6, "N0"),
        ];
    }

    private static string Format(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
