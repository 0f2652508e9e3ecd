using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Driver;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

// Lets the server be the client, see ClientRuns: what it costs is again the CPU time of the candidate's process.
internal sealed record ClientLoad(ClientRun Run) : ILoad
{
    public int Port(ServerPorts ports) => ports.Http;

    public IReadOnlyList<string> CommandLine(ServerPorts ports, double seconds, RunSettings settings) =>
    [
        "curl", "--silent", "--show-error", "--fail",
        string.Create(
            CultureInfo.InvariantCulture,
            $"http://127.0.0.1:{Port(ports)}{ClientRuns.Path}/{Run}?seconds={seconds}"),
    ];

    public LoadResult Read(string output, RunSettings settings) => LoadResult.FromJsonLine(output);

    public ILoad? AtRate(double rate) => null;
}
