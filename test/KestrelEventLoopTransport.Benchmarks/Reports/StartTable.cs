using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

internal static class StartTable
{
    public static ResultTable Of(Rounds<StartWindow> rounds) => CandidateTable.Of(
        "The first seconds: time to the first response, then µs CPU/request of plaintext in each second",
        rounds,
        [
            ("first response ms", result => Format(result.Median(window => window.FirstResponse))),
            .. Enumerable.Range(0, StartRow.Seconds).Select(Second),
        ]);

    private static (string Header, Func<CandidateResult<StartWindow>, string> Cell) Second(int second) => (
        string.Create(CultureInfo.InvariantCulture, $"{second + 1}. s"),
        result => Format(result.Median(window => window.Cpu[second]), "F1"));

    private static string Format(double? value, string format = "F0") => CandidateTable.Format(value, format);
}
