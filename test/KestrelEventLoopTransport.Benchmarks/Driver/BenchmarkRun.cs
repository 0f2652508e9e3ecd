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

        candidates = [.. candidates.Where(candidate => IsChosen(settings.Candidates, candidate.Name))];
        Directory.CreateDirectory(settings.OutputDirectory);

        var results = new List<WorkloadResult>();
        foreach (var workload in Workloads.All.Where(workload => IsChosen(settings.Only, workload.Name)))
        {
            results.Add(await new WorkloadRun(workload, settings).RunAsync(candidates, cancellationToken));
        }

        Console.WriteLine();
        foreach (var result in results)
        {
            Console.WriteLine(ResultTable.Of(result).ToText());
        }

        return results.Any(result => result.Candidates.Any(candidate => candidate.Failure is not null)) ? 1 : 0;
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
