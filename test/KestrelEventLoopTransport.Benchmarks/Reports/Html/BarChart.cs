using System.Text;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports.Html;

// CPU time per operation: a bar for the median, and a line from the cheapest to the dearest round.
internal static class BarChart
{
    public static string Of(WorkloadResult row, Palette palette)
    {
        var results = row.Saturated.Results.Where(result => result.Failure is null).ToList();
        if (results.Count == 0)
        {
            return "";
        }

        var most = results.Max(result => result.Windows.Max(window => window.Cpu));
        var text = new StringBuilder($"<figure><figcaption>µs of CPU per {row.Workload.Unit}</figcaption>");
        foreach (var result in results)
        {
            var from = Percent(result.Windows.Min(window => window.Cpu));
            var to = Percent(result.Windows.Max(window => window.Cpu));
            var median = result.Median(window => window.Cpu);
            text.AppendLine(
                $"""
                <div class="bar {palette[result.Candidate]}"><span>{HtmlReport.Encode(result.Candidate.Name)}</span>
                <svg aria-hidden="true"><rect width="{Percent(median)}" y="2" height="16" rx="2"/>
                <line x1="{from}" x2="{to}" y1="10" y2="10"/></svg><b>{HtmlReport.Number(median, "F2")}</b></div>
                """);
        }

        return text.Append("</figure>").ToString();

        string Percent(double value) => HtmlReport.Number(value / most * 100, "F2") + "%";
    }
}
