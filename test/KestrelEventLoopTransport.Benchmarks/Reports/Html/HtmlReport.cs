using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports.Html;

// The results as one page without scripts, which asks for nothing else: report.html with the parts that differ. Its
// tables are those of the Markdown file.
internal static partial class HtmlReport
{
    // What the page begins with, as far as it was measured.
    private static readonly string[] _highlights = ["plaintext", "echo", "tls", "http2", "grpc"];

    public static string Of(
        RunSettings settings, TimeSpan duration, IReadOnlyList<ResultTable> summaries, IReadOnlyList<IRowResult> rows)
    {
        List<WorkloadResult> workloads = [.. rows.OfType<WorkloadResult>()];
        var palette = new Palette(workloads);
        var sections = new StringBuilder();
        foreach (var table in summaries)
        {
            sections.Append(Section(table, "", []));
        }

        foreach (var row in rows)
        {
            foreach (var (i, table) in row.Tables.Index())
            {
                var workload = row as WorkloadResult;
                var id = i == 0 && workload is not null ? $" id=\"{workload.Workload.Name}\"" : "";
                sections.Append(Section(table, id, Figures(workload, isPaced: i > 0, palette)));
            }
        }

        return Template()
            .Replace("{{machine}}", Encode(MachineDescription.Line()), StringComparison.Ordinal)
            .Replace("{{made}}", Encode(Made(duration)), StringComparison.Ordinal)
            .Replace("{{command}}", Encode(settings.Command), StringComparison.Ordinal)
            .Replace("{{tiles}}", Tiles(workloads), StringComparison.Ordinal)
            .Replace("{{overview}}", OverviewChart.Of(workloads, palette), StringComparison.Ordinal)
            .Replace("{{notes}}", Paragraphs(MarkdownReport.Notes(settings)), StringComparison.Ordinal)
            .Replace("{{sections}}", sections.ToString(), StringComparison.Ordinal);
    }

    public static string Encode(string text) => WebUtility.HtmlEncode(text);

    // `code` and **strong**, as the tables and the notes have them.
    public static string Inline(string markdown)
        => Strong().Replace(Code().Replace(Encode(markdown), "<code>$1</code>"), "<strong>$1</strong>");

    public static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private static IEnumerable<string> Figures(WorkloadResult? workload, bool isPaced, Palette palette)
    {
        if (workload is null)
        {
            yield break;
        }

        if (!isPaced)
        {
            yield return BarChart.Of(workload, palette);
        }

        yield return LatencyChart.Of((isPaced ? workload.Paced : workload.Saturated)!, isPaced, palette);
    }

    private static string Section(ResultTable table, string id, IEnumerable<string> figures)
    {
        var charts = string.Concat(figures);
        var text = new StringBuilder($"<section{id}><h2>{Encode(table.Title)}</h2>");
        if (charts.Length > 0)
        {
            text.Append($"<div class=\"charts\">{charts}</div>");
        }

        text.Append($"<div class=\"scroll\" role=\"group\" tabindex=\"0\" aria-label=\"{Encode(table.Title)}\">");
        text.Append($"<table><thead><tr>{Cells("th scope=\"col\"", table.Columns)}</tr></thead><tbody>");
        foreach (var row in table.Rows)
        {
            text.Append($"<tr><th scope=\"row\">{Inline(row[0])}</th>{Cells("td", row.Skip(1))}</tr>");
        }

        text.Append("</tbody></table></div>");
        foreach (var failure in table.Failures)
        {
            text.Append($"<p class=\"failed\"><strong>FAILED</strong> {Encode(failure)}</p>");
        }

        return text.AppendLine("</section>").ToString();
    }

    private static string Cells(string tag, IEnumerable<string> cells)
        => string.Concat(cells.Select(cell => $"<{tag}>{Inline(cell)}</{tag.Split(' ')[0]}>"));

    // The default scheduling beside stock's default.
    private static string Tiles(List<WorkloadResult> workloads)
    {
        var text = new StringBuilder();
        foreach (var row in _highlights.Select(name => workloads.Find(row => row.Workload.Name == name)))
        {
            var result = row?.Saturated.Results.FirstOrDefault(
                result => result is { Failure: null, Candidate.Name: nameof(ApplicationScheduling.Adaptive) });
            if (result is not null && row!.Saturated.Baseline is { } stock)
            {
                var ratio = result.MedianRatio(stock, window => window.Cpu);
                var title = Encode(row.Workload.Title);
                text.Append(
                    $"""
                    <div><dt>{title}</dt><dd class="{Cost(ratio)}">{Number(ratio, "F2")}<small> × stock</small></dd>
                    <dd class="note">{Number(result.Median(window => window.Cpu), "F2")} beside
                    {Number(stock.Median(window => window.Cpu), "F2")} µs per {row.Workload.Unit}</dd></div>

                    """);
            }
        }

        return text.Length == 0 ? "" : $"<dl class=\"tiles\">{text}</dl>";
    }

    // As it is printed: what is printed as 1.00 is neither.
    private static string Cost(double ratio) => Math.Round(ratio, 2) switch
    {
        < 1 => "cheaper",
        > 1 => "dearer",
        _ => "equal",
    };

    private static string Made(TimeSpan duration) => string.Create(
        CultureInfo.InvariantCulture,
        $"{DateTime.UtcNow:d MMMM yyyy, HH:mm} UTC, in {duration.TotalMinutes:F0} minutes");

    private static string Paragraphs(string markdown)
        => string.Concat(markdown.ReplaceLineEndings("\n").Split("\n\n", StringSplitOptions.RemoveEmptyEntries)
            .Select(paragraph => $"<p>{Inline(paragraph)}</p>"));

    private static string Template()
    {
        using var stream = typeof(HtmlReport).Assembly.GetManifestResourceStream("report.html")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();

    [GeneratedRegex(@"\*\*([^*]+)\*\*")]
    private static partial Regex Strong();
}
