using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Loads;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// All candidates under one workload. Every candidate's server lives for all rounds, so that its code is compiled once;
// a round measures each in turn, so that a change of the machine's speed meets all of them.
internal sealed class WorkloadRun(Workload workload, RunSettings settings)
{
    private const int Attempts = 3;

    private readonly Dictionary<CandidateResult, ServerProcess> _servers = [];

    public async Task<WorkloadResult> RunAsync(IEnumerable<Candidate> candidates, CancellationToken cancellationToken)
    {
        Console.WriteLine($"\n{workload.Title}");
        var results = candidates
            .Where(candidate => workload.HasFloor || !candidate.IsFloor)
            .Where(candidate => settings.Candidates.Count > 0
                || (candidate.OnlyWorkload ?? workload.Name) == workload.Name)
            .Select(candidate => new CandidateResult(candidate))
            .ToList();
        try
        {
            foreach (var result in results)
            {
                await GuardAsync(result, () => StartAsync(result, cancellationToken));
            }

            await RunRoundsAsync(results, workload.Load, result => result.Windows, cancellationToken);
            if (settings.Latency)
            {
                await RunPacedAsync(new WorkloadResult(workload, results), cancellationToken);
            }

            await Task.WhenAll(results.Select(result => GuardAsync(result, () =>
            {
                result.ResidentBytes = _servers[result].ResidentBytes;
                return _servers[result].StopAsync();
            })));
        }
        finally
        {
            foreach (var server in _servers.Values)
            {
                await server.DisposeAsync();
            }
        }

        return new WorkloadResult(workload, results);
    }

    private async Task RunRoundsAsync(
        List<CandidateResult> results,
        ILoad load,
        Func<CandidateResult, List<Window>> windows,
        CancellationToken cancellationToken)
    {
        for (var round = 0; round < settings.Rounds; round++)
        {
            // Each round begins with another candidate: nobody always runs after the same neighbour.
            for (var i = 0; i < results.Count; i++)
            {
                var result = results[(i + round) % results.Count];
                await GuardAsync(
                    result,
                    () => MeasureAsync(result, load, windows(result), cancellationToken));
            }
        }
    }

    // All candidates at the same rate: at saturation latency only says throughput again.
    private async Task RunPacedAsync(WorkloadResult result, CancellationToken cancellationToken)
    {
        if (result.PacedRate is not { } rate)
        {
            Console.WriteLine(
                $"  no latency at equal load: {Candidate.Baseline}, which sets the rate, was not measured");
        }
        else if (workload.Load.AtRate(rate) is not { } load)
        {
            Console.WriteLine("  no latency at equal load: this workload cannot be held at a rate");
        }
        else
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  at {rate:N0} {workload.Rate}"));
            var servers = result.Candidates.Where(candidate => !candidate.Candidate.IsFloor).ToList();
            await RunRoundsAsync(servers, load, candidate => candidate.PacedWindows, cancellationToken);
        }
    }

    private async Task StartAsync(CandidateResult result, CancellationToken cancellationToken)
    {
        Console.WriteLine($"  {"warm-up",-9} {result.Candidate.Name}");
        var server = await ServerProcess.StartAsync(result.Candidate, settings, cancellationToken);
        _servers.Add(result, server);
        if (workload.Check is { } check)
        {
            await check.RunAsync(server.Ports, cancellationToken);
        }

        // On one busy processor the JIT takes half a minute to settle, and until then the figures are of instrumented
        // code. The server has counted its processors by now, so it may use both while it warms up.
        await server.PinAsync(settings.ServerCpu, settings.LoadCpu);
        await LoadProcess.RunAsync(workload.Load, server.Ports, settings.WarmUpSeconds, settings, cancellationToken);
        await server.PinAsync(settings.ServerCpu);
        await LoadProcess.RunAsync(
            workload.Load, server.Ports, settings.WarmUpSeconds / 2, settings, cancellationToken);
    }

    private async Task MeasureAsync(
        CandidateResult result,
        ILoad generator,
        List<Window> windows,
        CancellationToken cancellationToken)
    {
        var server = _servers[result];
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

        var operations = workload.Operations(load);
        var window = new Window(
            cpu.TotalMicroseconds / operations,
            operations / load.Seconds,
            load.P50,
            load.P99,
            load.P999,
            cpu.TotalSeconds / load.Seconds);
        windows.Add(window);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  {$"{windows.Count}/{settings.Rounds}",-9} {result.Candidate.Name,-16} {window.Cpu,9:F2} "
                + $"µs/{workload.Unit} {window.Throughput,12:N0} {workload.Rate}"));
    }

    // A failure takes its candidate out of this workload and makes the run fail at its end.
    private static async Task GuardAsync(CandidateResult result, Func<Task> step)
    {
        if (result.Failure is not null)
        {
            return;
        }

        try
        {
            await step();
        }
        catch (Exception e)
            when (e is BenchmarkFailedException or HttpRequestException
                or TaskCanceledException { InnerException: TimeoutException })
        {
            result.Failure = e.Message;
            Console.WriteLine($"  FAILED    {result.Candidate.Name}: {e.Message}");
        }
    }
}
