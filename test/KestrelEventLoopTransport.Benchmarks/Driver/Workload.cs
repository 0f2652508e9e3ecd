using KestrelEventLoopTransport.Benchmarks.Loads;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// Name: What --only takes, and the id of its section in the HTML report.
// Title: What the tables say.
// Unit: What one operation is.
// Load: Makes the load.
// Check: The response that every server must give before it is measured; null when the load checks all.
// HasFloor: Whether the C server takes part.
// NeedsUpstream: Whether the server is a proxy or a client, with another server behind it.
// NeedsSilo: Whether the server is another one, which runs a silo too.
internal sealed record Workload(
    string Name,
    string Title,
    string Unit,
    ILoad Load,
    ResponseCheck? Check = null,
    bool HasFloor = false,
    bool NeedsUpstream = false,
    bool NeedsSilo = false)
{
    public const string Megabyte = "MB";

    // The share of the stock default's throughput at which latencies are compared.
    public const double PacedShare = 0.6;

    public string Rate => Unit == Megabyte ? "MB/s" : $"{Unit}s/s";

    public double Operations(LoadResult result) => Unit == Megabyte ? result.Bytes / 1e6 : result.Operations;
}
