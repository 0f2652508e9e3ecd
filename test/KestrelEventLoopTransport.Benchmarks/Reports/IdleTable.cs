using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

internal static class IdleTable
{
    private static readonly string[] _columns =
    [
        "candidate", "raw", "to stock", "HTTP", "to stock", "HTTP, after a request", "to stock",
        "RSS raw", "RSS HTTP", "RSS after a request",
    ];

    public static ResultTable Of(IReadOnlyList<IdleCandidate> results, int connections)
    {
        var baseline = results.FirstOrDefault(result =>
            result.Candidate.Name == Candidate.Baseline && result.Failure is null);
        return new ResultTable(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{connections:N0} idle connections: live managed bytes per connection, and RSS"),
            _columns,
            [.. results.Select(result => Row(result, baseline))],
            [.. results.Where(result => result.Failure is not null)
                .Select(result => $"{result.Candidate.Name}: {result.Failure}")]);
    }

    private static string[] Row(IdleCandidate result, IdleCandidate? baseline)
    {
        if (result.Failure is not null)
        {
            return [result.Candidate.Name, "FAILED", .. Enumerable.Repeat("", _columns.Length - 2)];
        }

        return
        [
            result.Candidate.Name,
            Format(result.Raw.Managed),
            Ratio(result.Raw.Managed, baseline?.Raw.Managed),
            Format(result.Fresh.Managed),
            Ratio(result.Fresh.Managed, baseline?.Fresh.Managed),
            Format(result.AfterRequest.Managed),
            Ratio(result.AfterRequest.Managed, baseline?.AfterRequest.Managed),
            Format(result.Raw.Resident),
            Format(result.Fresh.Resident),
            Format(result.AfterRequest.Resident),
        ];
    }

    private static string Format(double bytes) => bytes.ToString("N0", CultureInfo.InvariantCulture);

    private static string Ratio(double bytes, double? baseline)
        => baseline is { } stock ? (bytes / stock).ToString("F2", CultureInfo.InvariantCulture) : "–";
}
