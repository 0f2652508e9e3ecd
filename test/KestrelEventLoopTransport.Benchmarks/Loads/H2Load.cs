using System.Globalization;
using System.Text.RegularExpressions;
using KestrelEventLoopTransport.Benchmarks.Driver;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

// HTTP/2 without TLS, by prior knowledge.
// Rate: Requests per second over all clients; 0: as many as possible. h2load sends what is due every 10 ms, in a burst,
// and counts latency from the sending.
internal sealed partial record H2Load(string Path, int Clients, int Streams, double Rate = 0) : ILoad
{
    // The share of a paced window that belongs to connecting.
    private const double ConnectShare = 0.2;

    public int Port(ServerPorts ports) => ports.H2c;

    public IReadOnlyList<string> CommandLine(ServerPorts ports, double seconds, RunSettings settings)
    {
        List<string> line =
        [
            "h2load", "--threads=1", $"--clients={Clients}", $"--max-concurrent-streams={Streams}",
            $"--duration={(int)(seconds * 1000)}ms",
            $"--log-file={LogFile(settings)}",
        ];
        if (Rate > 0)
        {
            line.Add(string.Create(CultureInfo.InvariantCulture, $"--rps={Rate / Clients:F3}"));
        }

        line.Add($"http://127.0.0.1:{Port(ports)}{Path}");
        return line;
    }

    public ILoad AtRate(double rate) => this with { Rate = rate };

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
        var latencies = ReadLatencies(LogFile(settings), Rate > 0 ? seconds * ConnectShare : 0);
        return new LoadResult(
            done,
            0,
            seconds,
            Number(requests, "failed") + Number(requests, "errored") + Number(requests, "timeout") + done - good,
            Latencies.Of(latencies));
    }

    // h2load sums up latency as mean and deviation only; its log has every request.
    // Its columns: start in microseconds, status, microseconds to the end.
    private static double[] ReadLatencies(string path, double secondsToSkip)
    {
        var requests = File.ReadLines(path)
            .Select(line => (
                Start: long.Parse(line.AsSpan(0, line.IndexOf('\t')), CultureInfo.InvariantCulture),
                Latency: int.Parse(line.AsSpan(line.LastIndexOf('\t') + 1), CultureInfo.InvariantCulture)))
            .ToList();
        File.Delete(path);
        var begin = requests.Select(request => request.Start).DefaultIfEmpty().Min() + (long)(secondsToSkip * 1e6);
        var latencies = requests
            .Where(request => request.Start >= begin)
            .Select(request => (double)request.Latency)
            .ToArray();
        if (latencies.Length == 0)
        {
            throw new BenchmarkFailedException("h2load completed no request");
        }

        Array.Sort(latencies);
        return latencies;
    }

    private static string LogFile(RunSettings settings)
        => System.IO.Path.Combine(settings.OutputDirectory, "h2load.log");

    private static long Number(Match match, string group)
        => long.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(
        @"requests: .* (?<done>\d+) done, .* (?<failed>\d+) failed, (?<errored>\d+) errored, (?<timeout>\d+) timeout")]
    private static partial Regex RequestsLine();

    [GeneratedRegex(@"status codes: (?<good>\d+) 2xx")]
    private static partial Regex StatusLine();

    [GeneratedRegex(@"finished in (?<time>[\d.]+)(?<unit>us|ms|s)")]
    private static partial Regex FinishedLine();
}
