using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

internal static class QuietTable
{
    // Rarer ones are left out.
    private const double LeastCalls = 0.02;

    public static ResultTable Of(double rate, Rounds<QuietWindow> rounds) => CandidateTable.Of(
        string.Create(CultureInfo.InvariantCulture, $"{rate:N0} requests per second: per request"),
        rounds,
        ("system calls", result => Format(SystemCalls(result), "F2")),
        ("context switches", result => Format(result.Median(window => window.Switches), "F2")),
        ("µs CPU", result => Format(result.Median(window => window.Cpu), "F1")),
        ("to stock", result => Format(rounds.Ratio(result, window => window.Cpu), "F2")),
        ("which system calls", Names));

    private static double? SystemCalls(CandidateResult<QuietWindow> result)
        => result.Windows.Any(window => window.Calls.Count > 0) ? result.Median(window => window.AllCalls) : null;

    private static string Names(CandidateResult<QuietWindow> result) => string.Join(", ", result.Windows
        .SelectMany(window => window.Calls.Keys)
        .Distinct()
        .Select(name => (Name: name, Calls: result.Median(window => window.Calls.GetValueOrDefault(name))))
        .Where(call => call.Calls >= LeastCalls)
        .OrderByDescending(call => call.Calls)
        .Select(call => $"{call.Name} {Format(call.Calls, "F2")}"));

    private static string Format(double? value, string format) => CandidateTable.Format(value, format);
}
