using KestrelEventLoopTransport.Benchmarks.Loads;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

/// <param name="Name">What <c>--only</c> takes, and the name of the SVG file.</param>
/// <param name="Title">What the tables say.</param>
/// <param name="Unit">What one operation is.</param>
/// <param name="Load">Makes the load.</param>
/// <param name="Check">The response that every server must give before it is measured; null when the load checks all.</param>
/// <param name="HasFloor">Whether the C server takes part.</param>
internal sealed record Workload(
    string Name,
    string Title,
    string Unit,
    ILoad Load,
    ResponseCheck? Check = null,
    bool HasFloor = false)
{
    public const string Megabyte = "MB";

    public string Rate => Unit == Megabyte ? "MB/s" : $"{Unit}s/s";

    public double Operations(LoadResult result) => Unit == Megabyte ? result.Bytes / 1e6 : result.Operations;
}
