using KestrelEventLoopTransport.Benchmarks.Reports;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal interface IRowResult
{
    IEnumerable<ResultTable> Tables { get; }
}
