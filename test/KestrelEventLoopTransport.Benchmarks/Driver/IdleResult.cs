using KestrelEventLoopTransport.Benchmarks.Reports;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal sealed record IdleResult(IReadOnlyList<IdleCandidate> Candidates, int Connections) : IRowResult
{
    public IEnumerable<ResultTable> Tables => [IdleTable.Of(Candidates, Connections)];
}
