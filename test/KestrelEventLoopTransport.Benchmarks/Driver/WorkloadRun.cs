using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Loads;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// All candidates under one workload: each is warmed up, then the rounds begin.
internal sealed class WorkloadRun(Workload workload, RunningServers servers, RunSettings settings)
{
    private const int Attempts = 3;

    public async Task<WorkloadResult> RunAsync(
        IEnumerable<Candidate> candidates,
        CancellationToken cancellationToken)
    {
        Console.WriteLine($"\n{workload.Title}");
        if (workload.NeedsSilo)
        {
            candidates = candidates.Select(candidate => candidate.WithSilo());
        }

        var saturated = new Rounds<Window>(
            await servers.ServingAsync(candidates, workload.Load, workload.Check, cancellationToken));
        foreach (var result in saturated.Results)
        {
            await result.GuardAsync(() => WarmUpAsync(result.Candidate, cancellationToken));
        }

        await saturated.RunAsync(
            settings.Rounds, result => MeasureAsync(result, workload.Load, cancellationToken));
        await servers.DropFailedAsync(saturated);
        var rate = saturated.Baseline?.Median(window => window.Throughput) * Workload.PacedShare;
        var paced = settings.Latency ? await RunPacedAsync(saturated, rate, cancellationToken) : null;
        return new WorkloadResult(workload, saturated, paced, rate ?? 0);
    }

    private async Task WarmUpAsync(Candidate candidate, CancellationToken cancellationToken)
    {
        Console.WriteLine($"  {"warm-up",-9} {candidate.Name}");
        var server = await servers.GetAsync(candidate, cancellationToken);
        if (workload.Check is { } check)
        {
            await check.RunAsync(server.Ports, cancellationToken);
        }

        await servers.WarmUpAsync(candidate, workload.Load, cancellationToken);
    }

    // All candidates at the same rate: at saturation latency only says throughput again.
    private async Task<Rounds<Window>?> RunPacedAsync(
        Rounds<Window> saturated,
        double? rate,
        CancellationToken cancellationToken)
    {
        if (rate is null)
        {
            Console.WriteLine(
                $"  no latency at equal load: {Candidate.Baseline}, which sets the rate, was not measured");
            return null;
        }

        if (workload.Load.AtRate(rate.Value) is not { } load)
        {
            Console.WriteLine("  no latency at equal load: this workload cannot be held at a rate");
            return null;
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  at {rate:N0} {workload.Rate}"));
        var paced = new Rounds<Window>(saturated.Results
            .Where(result => result.Failure is null && !result.Candidate.IsFloor)
            .Select(result => result.Candidate));
        await paced.RunAsync(settings.Rounds, result => MeasureAsync(result, load, cancellationToken));
        await servers.DropFailedAsync(paced);
        return paced;
    }

    private async Task<Window> MeasureAsync(
        CandidateResult<Window> result,
        ILoad generator,
        CancellationToken cancellationToken)
    {
        var server = await servers.GetAsync(result.Candidate, cancellationToken);
        var seconds = settings.Seconds;
        var before = server.CpuTime;
        var load = await LoadProcess.RunAsync(generator, server.Ports, seconds, settings, cancellationToken);

        // On a crowded machine a short window can be over before the generator was given the processor, or before a
        // server with blocked loops has answered anything.
        for (var i = 1; i < Attempts && load.Operations == 0; i++)
        {
            seconds *= 4;
            before = server.CpuTime;
            load = await LoadProcess.RunAsync(generator, server.Ports, seconds, settings, cancellationToken);
        }

        if (load.Operations == 0)
        {
            throw new BenchmarkFailedException($"no operation was completed in {Attempts} windows");
        }

        var cpu = server.CpuTime - before;
        if (cpu == TimeSpan.Zero)
        {
            throw new BenchmarkFailedException("the process took no CPU time: does the command end with exec?");
        }

        var window = Window.Of(cpu, workload.Operations(load), load);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  {$"{result.Windows.Count + 1}/{settings.Rounds}",-9} {result.Candidate.Name,-16} {window.Cpu,9:F2} "
                + $"µs/{workload.Unit} {window.Throughput,12:N0} {workload.Rate}"));
        return window;
    }
}
