using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Driver;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

// Plaintext on 32 connections beside 8 whose handler blocks its thread. Counted is the plaintext; how many of the
// possible blocking requests were served is printed.
internal sealed class BlockLoad : ILoad
{
    public const int SleepMilliseconds = 100;

    private const int Sleepers = 8;

    public int Port(ServerPorts ports) => ports.Http;

    public IReadOnlyList<string> CommandLine(ServerPorts ports, double seconds, RunSettings settings)
    {
        var duration = seconds.ToString(CultureInfo.InvariantCulture);
        var script = Path.Combine(AppContext.BaseDirectory, "Loads", "wrk.lua");
        return
        [
            "sh", "-c",
            $"""
            load() (
              timeout --preserve-status --signal=INT {duration} \
                wrk --threads=1 --connections=$1 --duration=1h --timeout=10s --script "{script}" \
                    http://127.0.0.1:{Port(ports)}$2
            )
            sleepers=$(mktemp)
            load {Sleepers} /sleep >"$sleepers" &
            sleep 0.2
            load 32 /plaintext
            result=$?
            wait
            sed 's/^{OpenBrace}/beside {OpenBrace}/' "$sleepers"
            rm "$sleepers"
            exit $result
            """,
        ];
    }

    public LoadResult Read(string output, RunSettings settings)
    {
        const string prefix = "beside ";
        var line = output.Split('\n').First(line => line.StartsWith(prefix, StringComparison.Ordinal));
        var sleepers = LoadResult.FromJsonLine(line[prefix.Length..]);
        var possible = sleepers.Seconds * 1000 / SleepMilliseconds * Sleepers;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"            {sleepers.Operations} blocking requests of {possible:F0} possible"));
        return LoadResult.FromJsonLine(output);
    }

    // Its plaintext could be paced, but what it shows is how much is served at all.
    public ILoad? AtRate(double rate) => null;

    private const char OpenBrace = '{';
}
