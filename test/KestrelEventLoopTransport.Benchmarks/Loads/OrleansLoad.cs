using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Driver;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

// Calls of grains through the silo's gateway, by clients in a process of their own: see OrleansCommand.
// Rate: Calls per second; 0: as many as possible.
internal sealed record OrleansLoad(int Clients, int CallsPerClient, double Rate = 0) : ILoad
{
    public int Port(ServerPorts ports) => ports.Gateway;

    public IReadOnlyList<string> CommandLine(ServerPorts ports, double seconds, RunSettings settings) =>
    [
        Environment.ProcessPath!,
        OrleansCommand.Name,
        string.Create(CultureInfo.InvariantCulture, $"{Port(ports)}"),
        string.Create(CultureInfo.InvariantCulture, $"--clients={Clients}"),
        string.Create(CultureInfo.InvariantCulture, $"--calls={CallsPerClient}"),
        string.Create(CultureInfo.InvariantCulture, $"--seconds={seconds}"),
        string.Create(CultureInfo.InvariantCulture, $"--rate={Rate}"),
    ];

    public LoadResult Read(string output, RunSettings settings) => LoadResult.FromJsonLine(output);

    public ILoad AtRate(double rate) => this with { Rate = rate };
}
