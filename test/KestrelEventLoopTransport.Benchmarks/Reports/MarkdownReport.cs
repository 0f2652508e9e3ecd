using System.Globalization;
using System.Text;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

internal static class MarkdownReport
{
    public static string Of(
        RunSettings settings,
        TimeSpan duration,
        IReadOnlyList<ResultTable> tables)
    {
        var text = new StringBuilder().AppendLine("# Benchmark results").AppendLine();
        text.Append(Origin(settings, duration));
        text.Append(Notes(settings));
        foreach (var table in tables)
        {
            text.AppendLine(table.ToMarkdown());
        }

        return text.ToString();
    }

    // How the figures were made, as paragraphs.
    public static string Notes(RunSettings settings)
    {
        var text = new StringBuilder();
        text.AppendLine(
            $"""
            In each row, medians of {settings.Rounds} rounds of {settings.Seconds} s after {settings.WarmUpSeconds} s of
            load. All candidates live from the first row to the last and take turns in each round.

            Servers run on processor {settings.ServerCpu}, load generators on processor {settings.LoadCpu}, over
            loopback. Figures are medians over the rounds. **µs CPU** is the server process's own CPU time (user and
            kernel) per operation; **to stock** and the figure in brackets is the median of the ratios to
            `{Candidate.Baseline}` in the same round; **±** is half the distance between the dearest and the cheapest
            round. Latencies are those at saturation, so they follow throughput; wrk cannot tell them for pipelined
            requests, and with gRPC they are those of calls. **busy** is the share of time that the server was on its
            processor: where it is not near 100 %, the clients are the limit. The application is one terminal
            middleware, without routing except for gRPC; `{Candidate.Floor}` is a minimal epoll server in C, what the
            kernel alone costs.
            """);
        text.AppendLine();
        if (settings.Latency)
        {
            text.AppendLine(
                $"""
                **At {Workload.PacedShare * 100:F0} % of stock's maximum** all candidates are given the same rate; one
                that does not reach it was overloaded. Requests and messages are evenly spaced, and latency counts from
                the scheduled time, with connecting where a request has a connection of its own. HTTP/2 is paced by
                h2load, which sends what is due every 10 ms in a burst, and gRPC by its client, which sends what is due
                every millisecond; both count from the sending.
                """);
            text.AppendLine();
        }

        return text.ToString();
    }

    // The lines that stand below a table wherever it is copied to.
    private static string Origin(RunSettings settings, TimeSpan duration)
        => string.Create(
            CultureInfo.InvariantCulture,
            $"""
            Made by `{settings.Command}` on {DateTime.UtcNow:yyyy-MM-dd HH:mm} UTC in
            {duration.TotalMinutes:F0} minutes; {MachineDescription.Line()}.
            """);
}
