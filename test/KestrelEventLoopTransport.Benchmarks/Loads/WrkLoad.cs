using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Driver;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

internal sealed record WrkLoad(
    string Path, bool Https = false, int Pipeline = 1, bool CloseConnections = false, int Connections = 64)
    : ILoad
{
    public int Port(ServerPorts ports) => Https ? ports.Https : ports.Http;

    public IReadOnlyList<string> CommandLine(ServerPorts ports, double seconds, RunSettings settings)
    {
        // wrk takes whole seconds only, but ends early and in good order on SIGINT.
        List<string> line =
        [
            "timeout", "--preserve-status", "--signal=INT", seconds.ToString(CultureInfo.InvariantCulture),
            "wrk", "--threads=1", $"--connections={Connections}", "--duration=1h", "--timeout=10s",
            "--script", System.IO.Path.Combine(AppContext.BaseDirectory, "Loads", "wrk.lua"),
        ];
        if (CloseConnections)
        {
            line.AddRange(["--header", "Connection: close"]);
        }

        var origin = $"{(Https ? "https" : "http")}://127.0.0.1:{Port(ports)}";
        line.AddRange([origin + Path, "--", Pipeline.ToString(CultureInfo.InvariantCulture)]);
        return line;
    }

    public LoadResult Read(string output, RunSettings settings)
    {
        var result = LoadResult.FromJsonLine(output);

        // wrk corrects latencies by the time between requests of a connection; pipelined ones come in batches, and
        // the corrected figures are nonsense.
        return Pipeline == 1 ? result : result with { Latency = Latencies.Unknown };
    }

    // wrk itself cannot hold a rate.
    public ILoad? AtRate(double rate) => new NativeLoad(
        "get", Connections, Path, rate, Pipeline, Https, CloseConnections);
}
