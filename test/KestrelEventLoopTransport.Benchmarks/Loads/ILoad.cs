using KestrelEventLoopTransport.Benchmarks.Driver;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

internal interface ILoad
{
    // The port that the load needs; 0 when the server does not have it.
    int Port(ServerPorts ports);

    // The command line of the generator, program first.
    IReadOnlyList<string> CommandLine(ServerPorts ports, double seconds, RunSettings settings);

    LoadResult Read(string output, RunSettings settings);

    // The same load at a steady rate, in the workload's unit per second over all connections; null when it cannot be
    // paced.
    ILoad? AtRate(double rate);
}
