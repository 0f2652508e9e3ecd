using KestrelEventLoopTransport.Benchmarks.Driver;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

internal interface ILoad
{
    // The command line of the generator, program first.
    IReadOnlyList<string> CommandLine(ServerPorts ports, double seconds, RunSettings settings);

    LoadResult Read(string output, RunSettings settings);
}
