using System.Diagnostics;
using KestrelEventLoopTransport.Benchmarks.Reports;
using KestrelEventLoopTransport.Benchmarks.Reports.Html;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal static class BenchmarkRun
{
    public static async Task<int> RunAsync(RunSettings settings, CancellationToken cancellationToken)
    {
        var all = Candidate.All(settings);
        if (!AreKnown("--only", settings.Only, Rows.All.Select(row => row.Name))
            || !AreKnown("--candidates", settings.Candidates, all.Select(candidate => candidate.Name)))
        {
            return 1;
        }

        var processors = Math.Max(settings.ServerCpu, settings.LoadCpu) + 1;
        if (Environment.ProcessorCount < processors || settings.ServerCpu == settings.LoadCpu)
        {
            Console.Error.WriteLine(
                "Servers and load generators need a processor each: see --server-cpu and --load-cpu.");
            return 1;
        }

        Directory.CreateDirectory(settings.OutputDirectory);
        var begin = Stopwatch.GetTimestamp();
        List<Candidate> candidates =
            [.. all.Where(candidate => IsPeerOfUser(candidate) || IsChosen(settings.Candidates, candidate.Name))];
        var results = await RunRowsAsync(candidates, settings, cancellationToken);
        return await ReportAsync(results, Stopwatch.GetElapsedTime(begin), settings, cancellationToken);
    }

    private static async Task<List<IRowResult>> RunRowsAsync(
        List<Candidate> candidates,
        RunSettings settings,
        CancellationToken cancellationToken)
    {
        var rows = Rows.All
            .Where(row => IsChosen(settings.Only, row.Name))
            .Select(row => (Row: row, Candidates: candidates.FindAll(candidate => TakesPart(candidate, row))))
            .ToList();
        await using var servers = new RunningServers(settings);
        await servers.StartAsync(rows.SelectMany(row => row.Candidates).Distinct(), cancellationToken);
        var results = new List<IRowResult>();
        foreach (var (row, candidatesOfRow) in rows)
        {
            results.Add(await row.RunAsync(candidatesOfRow, servers, settings, cancellationToken));
        }

        await servers.StopAsync();
        return results;

        // A candidate for one workload takes part in others if it was asked for. Other proxies serve no others.
        bool TakesPart(Candidate candidate, IRow row) => row.TakesPart(
            settings.Candidates.Count > 0 && !candidate.IsPeer ? candidate with { OnlyWorkloads = null } : candidate);
    }

    private static async Task<int> ReportAsync(
        List<IRowResult> results,
        TimeSpan duration,
        RunSettings settings,
        CancellationToken cancellationToken)
    {
        var workloads = results.OfType<WorkloadResult>().ToList();
        List<ResultTable> summaries =
            [.. new[] { SummaryTable.OfCpu(workloads), SummaryTable.OfLatency(workloads) }.OfType<ResultTable>()];
        List<ResultTable> tables = [.. summaries, .. results.SelectMany(row => row.Tables)];
        Console.WriteLine();
        foreach (var table in tables)
        {
            Console.WriteLine(table.ToText());
        }

        await WriteAsync("results.md", MarkdownReport.Of(settings, duration, tables));
        await WriteAsync("report.html", HtmlReport.Of(settings, duration, summaries, results));
        if (tables.Any(table => table.Failures.Count > 0))
        {
            Console.Error.WriteLine("FAILED: see the tables above.");
            return 1;
        }

        return 0;

        async Task WriteAsync(string name, string text)
        {
            var path = Path.Combine(settings.OutputDirectory, name);
            await File.WriteAllTextAsync(path, text, cancellationToken);
            Console.WriteLine($"Written to {Path.GetRelativePath(Environment.CurrentDirectory, path)}");
        }
    }

    // --candidates does not name these: --peer has.
    private static bool IsPeerOfUser(Candidate candidate)
        => candidate is { IsPeer: true, OnlyWorkloads: null };

    private static bool IsChosen(IReadOnlyList<string> filter, string name)
        => filter.Count == 0 || filter.Contains(name, StringComparer.OrdinalIgnoreCase);

    private static bool AreKnown(string option, IEnumerable<string> given, IEnumerable<string> known)
    {
        foreach (var name in given.Except(known, StringComparer.OrdinalIgnoreCase))
        {
            Console.Error.WriteLine($"{option} {name}: unknown; use {string.Join(", ", known)}.");
            return false;
        }

        return true;
    }
}
