using KestrelEventLoopTransport.Benchmarks.Reports;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal sealed record StartResult(Rounds<StartWindow> Rounds) : IRowResult
{
    public IEnumerable<ResultTable> Tables => [StartTable.Of(Rounds)];
}
