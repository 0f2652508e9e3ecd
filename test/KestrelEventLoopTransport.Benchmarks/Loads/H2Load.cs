using System.Globalization;
using System.Text.RegularExpressions;
using KestrelEventLoopTransport.Benchmarks.Driver;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

// HTTP/2 without TLS, by prior knowledge: 8 clients with 32 streams each.
internal sealed partial record H2Load(string Path) : ILoad
{
    public IReadOnlyList<string> CommandLine(ServerPorts ports, double seconds, RunSettings settings) =>
    [
        "h2load", "--threads=1", "--clients=8", "--max-concurrent-streams=32",
        $"--duration={(int)(seconds * 1000)}ms",
        $"--log-file={LogFile(settings)}",
        $"http://127.0.0.1:{ports.H2c}{Path}",
    ];

    public LoadResult Read(string output, RunSettings settings)
    {
        var requests = RequestsLine().Match(output);
        var statuses = StatusLine().Match(output);
        var finished = FinishedLine().Match(output);
        if (!requests.Success || !statuses.Success || !finished.Success)
        {
            throw new BenchmarkFailedException($"h2load printed no result:\n{output}");
        }

        var done = Number(requests, "done");
        var good = Number(statuses, "good");
        var unit = finished.Groups["unit"].Value switch { "us" => 1e-6, "ms" => 1e-3, _ => 1.0 };
        var seconds = double.Parse(finished.Groups["time"].Value, CultureInfo.InvariantCulture) * unit;
        var latencies = ReadLatencies(LogFile(settings));
        return new LoadResult(
            done,
            0,
            seconds,
            Number(requests, "failed") + Number(requests, "errored") + Number(requests, "timeout") + done - good,
            latencies[latencies.Length / 2],
            latencies[(int)(latencies.Length * 0.99)],
            latencies[(int)(latencies.Length * 0.999)]);
    }

    // h2load sums up latency as mean and deviation only; its log has every request.
    private static int[] ReadLatencies(string path)
    {
        var latencies = File.ReadLines(path)
            .Select(line => int.Parse(line.AsSpan(line.LastIndexOf('\t') + 1), CultureInfo.InvariantCulture))
            .ToArray();
        File.Delete(path);
        if (latencies.Length == 0)
        {
            throw new BenchmarkFailedException("h2load completed no request");
        }

        Array.Sort(latencies);
        return latencies;
    }

    private static string LogFile(RunSettings settings) => System.IO.Path.Combine(settings.OutputDirectory, "h2load.log");

    private static long Number(Match match, string group)
        => long.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"requests: .* (?<done>\d+) done, .* (?<failed>\d+) failed, (?<errored>\d+) errored, (?<timeout>\d+) timeout")]
    private static partial Regex RequestsLine();

    [GeneratedRegex(@"status codes: (?<good>\d+) 2xx")]
    private static partial Regex StatusLine();

    [GeneratedRegex(@"finished in (?<time>[\d.]+)(?<unit>us|ms|s)")]
    private static partial Regex FinishedLine();
}
