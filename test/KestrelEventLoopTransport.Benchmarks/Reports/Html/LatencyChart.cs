using System.Text;
using KestrelEventLoopTransport.Benchmarks.Driver;
using KestrelEventLoopTransport.Benchmarks.Loads;

namespace KestrelEventLoopTransport.Benchmarks.Reports.Html;

// Latency by percentile. Each further nine is as wide as the one before, and the latency is logarithmic.
internal static class LatencyChart
{
    private const int Width = 420;
    private const int Height = 236;
    private const int Left = 56;
    private const int Right = 12;
    private const int Top = 10;
    private const int Bottom = 26;

    private static readonly (string Name, double X, Func<Latencies, double> Value)[] _percentiles =
    [
        ("p50", X(0.5), latency => latency.P50),
        ("p90", X(0.9), latency => latency.P90),
        ("p99", X(0.99), latency => latency.P99),
        ("p99.9", X(0.999), latency => latency.P999),
        ("p99.99", X(0.9999), latency => latency.P9999),
    ];

    // Empty where the latencies are not known.
    public static string Of(Rounds<Window> rounds, bool isPaced, Palette palette)
    {
        var curves = rounds.Results
            .Where(result => result.Failure is null)
            .Select(result => (result.Candidate, Values: _percentiles
                .Select(percentile => result.Median(window => percentile.Value(window.Latency))).ToArray()))
            .Where(curve => curve.Values.All(value => value > 0))
            .ToList();
        if (curves.Count == 0)
        {
            return "";
        }

        var values = curves.SelectMany(curve => curve.Values);
        var (least, most) = (values.Min() * 0.85, values.Max() * 1.15);
        var text = new StringBuilder(
            $"""
            <figure><figcaption>Latency, {(isPaced ? "at the same rate for all" : "at saturation")}</figcaption>
            <svg class="curves" viewBox="0 0 {Width} {Height}" aria-hidden="true">
            """);
        foreach (var (name, x, _) in _percentiles)
        {
            text.Append($"<line x1=\"{N(x)}\" x2=\"{N(x)}\" y1=\"{Top}\" y2=\"{Height - Bottom}\"/>");
            text.Append($"<text class=\"p\" x=\"{N(x)}\" y=\"{Height - 8}\">{name}</text>");
        }

        foreach (var tick in Ticks(least, most))
        {
            var y = N(Y(tick));
            text.Append($"<line x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{y}\" y2=\"{y}\"/>");
            text.Append($"<text x=\"{Left - 8}\" y=\"{N(Y(tick) + 4)}\">{Time(tick)}</text>");
        }

        foreach (var (candidate, latencies) in curves)
        {
            var points = latencies.Select((value, i) => (_percentiles[i].X, Y: Y(value))).ToList();
            text.Append($"<g class=\"{palette[candidate]}\"><polyline points=\"");
            text.AppendJoin(' ', points.Select(point => $"{N(point.X)},{N(point.Y)}")).Append("\"/>");
            foreach (var (i, point) in points.Index())
            {
                var title = $"{candidate.Name}, {_percentiles[i].Name}: {HtmlReport.Number(latencies[i], "N0")} µs";
                text.Append($"<circle cx=\"{N(point.X)}\" cy=\"{N(point.Y)}\" r=\"3.5\">");
                text.Append($"<title>{HtmlReport.Encode(title)}</title></circle>");
            }

            text.AppendLine("</g>");
        }

        return text.Append("</svg>").Append(palette.Legend(curves.Select(curve => curve.Candidate)))
            .Append("</figure>").ToString();

        double Y(double value) => Top
            + (1 - Math.Log(value / least) / Math.Log(most / least)) * (Height - Top - Bottom);
    }

    private static double X(double share)
        => Left + 14 + (-Math.Log10(1 - share) - 0.3) / 3.7 * (Width - Left - Right - 36);

    // 1, 2 and 5 of each power of ten; only the powers where that would be too many.
    private static IEnumerable<double> Ticks(double least, double most)
    {
        int[] steps = most / least > 500 ? [1] : [1, 2, 5];
        return
            from power in Enumerable.Range(0, 9)
            from step in steps
            let tick = step * Math.Pow(10, power)
            where tick > least && tick < most
            select tick;
    }

    private static string Time(double micros) => micros switch
    {
        < 1_000 => $"{HtmlReport.Number(micros, "0")} µs",
        < 1_000_000 => $"{HtmlReport.Number(micros / 1_000, "0")} ms",
        _ => $"{HtmlReport.Number(micros / 1_000_000, "0")} s",
    };

    private static string N(double value) => HtmlReport.Number(value, "0.##");
}
