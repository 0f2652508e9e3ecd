using KestrelEventLoopTransport.Benchmarks.Reports;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal sealed record QuietResult(double Rate, Rounds<QuietWindow> Rounds) : IRowResult
{
    public IEnumerable<ResultTable> Tables => [QuietTable.Of(Rate, Rounds)];
}
