using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Driver;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

// The project's own generator, test/native/load.c.
// What: The bytes of a message or body; for "get" the path.
// Rate: Operations per second; 0: as many as possible.
// Depth: Requests of "get" that are sent at once.
// Https, CloseConnections: "get" only; the latter opens a connection for each request.
internal sealed record NativeLoad(
    string Mode,
    int Connections,
    string What,
    double Rate = 0,
    int Depth = 1,
    bool Https = false,
    bool CloseConnections = false)
    : ILoad
{
    public NativeLoad(string mode, int connections, int bytes)
        : this(mode, connections, bytes.ToString(CultureInfo.InvariantCulture))
    {
    }

    public int Port(ServerPorts ports) => Mode switch
    {
        "echo" => ports.Echo,
        "mqtt" => ports.Mqtt,
        _ => Https ? ports.Https : ports.Http,
    };

    public IReadOnlyList<string> CommandLine(ServerPorts ports, double seconds, RunSettings settings) =>
    [
        Path.Combine(settings.NativeDirectory, "load"),
        Mode,
        Port(ports).ToString(CultureInfo.InvariantCulture),
        Connections.ToString(CultureInfo.InvariantCulture),
        What,
        seconds.ToString(CultureInfo.InvariantCulture),
        Rate.ToString(CultureInfo.InvariantCulture),
        Depth.ToString(CultureInfo.InvariantCulture),
        .. Https ? ["tls"] : Array.Empty<string>(),
        .. CloseConnections ? ["close"] : Array.Empty<string>(),
    ];

    public LoadResult Read(string output, RunSettings settings) => LoadResult.FromJsonLine(output);

    // Uploads and downloads are counted in megabytes; one operation is one body.
    public ILoad AtRate(double rate) => this with
    {
        Rate = Mode is "upload" or "download" ? rate * 1e6 / int.Parse(What, CultureInfo.InvariantCulture) : rate,
    };
}
