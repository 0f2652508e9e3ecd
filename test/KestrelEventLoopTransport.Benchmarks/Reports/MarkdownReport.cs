using System.Globalization;
using System.Text;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

internal static class MarkdownReport
{
    public static string Of(RunSettings settings, IReadOnlyList<ResultTable> tables, IReadOnlyList<string> pictures)
    {
        var text = new StringBuilder().AppendLine("# Benchmark results").AppendLine();
        text.Append("- Command: `").Append(settings.Command).AppendLine("`");
        text.AppendLine(CultureInfo.InvariantCulture, $"- Date: {DateTime.UtcNow:yyyy-MM-dd HH:mm} UTC");
        foreach (var line in MachineDescription.Lines())
        {
            text.Append("- ").AppendLine(line);
        }

        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"- {settings.Rounds} rounds of {settings.Seconds} s per workload after {settings.WarmUpSeconds} s of "
                + $"load; in each round the candidates take turns");
        text.AppendLine();
        text.AppendLine(
            $"""
            Servers run on processor {settings.ServerCpu}, load generators on processor {settings.LoadCpu}, over
            loopback. Figures are medians over the rounds. **µs CPU** is the server process's own CPU time (user and
            kernel) per operation, **to stock** its ratio to `{Candidate.Baseline}` in the same run, **±** half the
            distance between the dearest and the cheapest round. Latencies are those at saturation, so they follow
            throughput; wrk cannot tell them for pipelined requests. **busy** is the share of time that the server was
            on its processor. RSS is read after the load. The application is one terminal middleware, without routing;
            `{Candidate.Floor}` is a minimal epoll server in C, what the kernel alone costs.
            """);
        text.AppendLine();
        if (settings.Latency)
        {
            text.AppendLine(
                $"""
                **At {Workload.PacedShare * 100:F0} % of stock's maximum** all candidates are given the same rate; one
                that does not reach it was overloaded. Requests and messages are evenly spaced, and latency counts from
                the scheduled time. TLS and HTTP/2 are paced by h2load: it sends what is due every 10 ms, in a burst,
                and counts from the sending.
                """);
            text.AppendLine();
        }

        foreach (var table in tables)
        {
            text.AppendLine(table.ToMarkdown());
        }

        foreach (var picture in pictures)
        {
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"![{Path.GetFileNameWithoutExtension(picture)}]({Path.GetFileName(picture)})");
        }

        return text.ToString();
    }
}
