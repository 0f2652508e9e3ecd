using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

// A row for each candidate.
internal static class CandidateTable
{
    public static ResultTable Of<TWindow>(
        string title,
        Rounds<TWindow> rounds,
        params (string Header, Func<CandidateResult<TWindow>, string> Cell)[] columns) => new(
            title,
            ["candidate", .. columns.Select(column => column.Header)],
            [.. rounds.Results.Select(result => (string[])[
                result.Candidate.Name,
                .. columns.Select((column, i) =>
                    result.Failure is null ? column.Cell(result) : i == 0 ? "FAILED" : ""),
            ])],
            [.. rounds.Results.Where(result => result.Failure is not null)
                .Select(result => $"{result.Candidate.Name}: {result.Failure}")]);

    // Null and not a number are what could not be measured.
    public static string Format(double? value, string format) => value is { } number && !double.IsNaN(number)
        ? number.ToString(format, CultureInfo.InvariantCulture)
        : "–";
}
