using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Driver;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

// Calls by Grpc.Net.Client, in a process of its own: see GrpcCommand.
// Rate: Messages per second over all channels; 0: as many as possible.
internal sealed record GrpcLoad(GrpcShape Shape, bool Https = false, double Rate = 0) : ILoad
{
    // A few connections, and several calls at once on each.
    private const int Channels = 4;
    private const int CallsPerChannel = 16;

    public int Port(ServerPorts ports) => Https ? ports.Https : ports.H2c;

    public IReadOnlyList<string> CommandLine(ServerPorts ports, double seconds, RunSettings settings) =>
    [
        Environment.ProcessPath!,
        GrpcCommand.Name,
        $"{(Https ? "https" : "http")}://127.0.0.1:{Port(ports)}",
        $"--shape={Shape}",
        $"--channels={Channels}",
        $"--calls={CallsPerChannel}",
        string.Create(CultureInfo.InvariantCulture, $"--seconds={seconds}"),
        string.Create(CultureInfo.InvariantCulture, $"--rate={Rate}"),
    ];

    public LoadResult Read(string output, RunSettings settings) => LoadResult.FromJsonLine(output);

    public ILoad AtRate(double rate) => this with { Rate = rate };
}
