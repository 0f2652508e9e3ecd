namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal static class Rows
{
    public static IReadOnlyList<IRow> All { get; } =
    [
        // First: handlers that block leave threads behind, which would be counted.
        new QuietRow(100),
        new QuietRow(500),
        new QuietRow(2000),
        .. Workloads.All.Select(workload => new WorkloadRow(workload)),
        new StartRow(),
        new IdleRow(),
    ];
}
