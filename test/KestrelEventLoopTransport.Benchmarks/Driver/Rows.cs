namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal static class Rows
{
    public static IReadOnlyList<IRow> All { get; } =
    [
        .. Workloads.All.Select(workload => new WorkloadRow(workload)),
        new QuietRow(100),
        new QuietRow(500),
        new QuietRow(2000),
        new StartRow(),
        new IdleRow(),
    ];
}
