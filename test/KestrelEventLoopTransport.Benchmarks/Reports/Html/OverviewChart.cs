using System.Text;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports.Html;

// All workloads: a line for each, with a point for each candidate where its ratio to stock is.
internal static class OverviewChart
{
    // What costs more than this stands at the edge.
    private const double Most = 1.6;

    public static string Of(IReadOnlyList<WorkloadResult> workloads, Palette palette)
    {
        var rows = workloads.Where(row => row.Saturated.Baseline is not null).ToList();
        if (rows.Count == 0)
        {
            return "";
        }

        var text = new StringBuilder(
            """
            <section><h2>CPU time per operation, as a multiple of stock’s</h2>
            <p class="note">Left of the line at 1 is cheaper; what is above 1.6 stands at the edge.</p>
            <div class="overview">
            """);
        foreach (var row in rows)
        {
            text.AppendLine(
                $"""
                <div><a href="#{row.Workload.Name}">{HtmlReport.Encode(row.Workload.Title)}</a>
                <svg aria-hidden="true">{Grid()}{string.Concat(Points(row, palette))}</svg></div>
                """);
        }

        text.Append($"<div class=\"axis\"><span></span><svg aria-hidden=\"true\">{Labels()}</svg></div></div>");
        var candidates = rows.SelectMany(row => row.Saturated.Results).Select(result => result.Candidate);
        return text.Append(palette.Legend(candidates)).AppendLine("</section>").ToString();
    }

    // The cheapest is drawn last, above the others.
    private static IEnumerable<string> Points(WorkloadResult row, Palette palette) =>
        from result in row.Saturated.Results
        where result.Failure is null
        let ratio = row.Saturated.Ratio(result, window => window.Cpu)!.Value
        orderby ratio descending
        let title = HtmlReport.Encode($"{result.Candidate.Name}: {HtmlReport.Number(ratio, "F2")}")
        select $"<circle class=\"{palette[result.Candidate]}\" cx=\"{X(ratio)}\" cy=\"50%\" r=\"5.5\">"
            + $"<title>{title}</title></circle>";

    private static string Grid() => string.Concat(new[] { 0.25, 0.5, 0.75, 1, 1.25, 1.5 }.Select(ratio =>
        $"<line{(ratio == 1 ? " class=\"one\"" : "")} x1=\"{X(ratio)}\" x2=\"{X(ratio)}\" y1=\"0\" y2=\"100%\"/>"));

    private static string Labels() => string.Concat(new[] { 0.5, 1, 1.5 }.Select(ratio =>
        $"<text x=\"{X(ratio)}\" y=\"14\">{HtmlReport.Number(ratio, "0.0")}</text>"));

    // A point at an edge is whole.
    private static string X(double ratio) => HtmlReport.Number(2 + Math.Min(ratio / Most, 1) * 96, "F2") + "%";
}
