using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Driver;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

// The project's own generator, test/native/load.c.
internal sealed record NativeLoad(string Mode, int Connections, long Bytes) : ILoad
{
    public IReadOnlyList<string> CommandLine(ServerPorts ports, double seconds, RunSettings settings) =>
    [
        Path.Combine(settings.NativeDirectory, "load"),
        Mode,
        (Mode == "echo" ? ports.Echo : ports.Http).ToString(CultureInfo.InvariantCulture),
        Connections.ToString(CultureInfo.InvariantCulture),
        Bytes.ToString(CultureInfo.InvariantCulture),
        seconds.ToString(CultureInfo.InvariantCulture),
    ];

    public LoadResult Read(string output, RunSettings settings) => LoadResult.FromJsonLine(output);
}
