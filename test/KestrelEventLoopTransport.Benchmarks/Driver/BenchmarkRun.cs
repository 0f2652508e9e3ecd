using KestrelEventLoopTransport.Benchmarks.Reports;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal static class BenchmarkRun
{
    public static async Task<int> RunAsync(RunSettings settings, CancellationToken cancellationToken)
    {
        var candidates = Candidate.All(settings);
        var workloadNames = Workloads.All.Select(workload => workload.Name).Append(Workloads.Idle).ToList();
        if (!AreKnown("--only", settings.Only, workloadNames)
            || !AreKnown("--candidates", settings.Candidates, candidates.Select(candidate => candidate.Name)))
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

        candidates = [.. candidates.Where(candidate => IsChosen(settings.Candidates, candidate.Name))];
        Directory.CreateDirectory(settings.OutputDirectory);

        var results = new List<WorkloadResult>();
        foreach (var workload in Workloads.All.Where(workload => IsChosen(settings.Only, workload.Name)))
        {
            results.Add(await new WorkloadRun(workload, settings).RunAsync(candidates, cancellationToken));
        }

        var tables = results
            .SelectMany(result => new[] { WorkloadTable.Of(result), LatencyTable.Of(result) })
            .OfType<ResultTable>()
            .ToList();
        if (IsChosen(settings.Only, Workloads.Idle))
        {
            var idle = await new IdleRun(settings).RunAsync(candidates, cancellationToken);
            tables.Add(IdleTable.Of(idle, settings.IdleConnections));
        }

        Console.WriteLine();
        foreach (var table in tables)
        {
            Console.WriteLine(table.ToText());
        }

        var pictures = await SvgBars.DrawAsync(results, settings.OutputDirectory, cancellationToken);
        var report = Path.Combine(settings.OutputDirectory, "results.md");
        await File.WriteAllTextAsync(report, MarkdownReport.Of(settings, tables, pictures), cancellationToken);
        Console.WriteLine($"Written to {Path.GetRelativePath(Environment.CurrentDirectory, report)}");

        if (tables.Any(table => table.Failures.Count > 0))
        {
            Console.Error.WriteLine("FAILED: see the tables above.");
            return 1;
        }

        return 0;
    }

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
