using KestrelEventLoopTransport.Benchmarks.Driver;
using KestrelEventLoopTransport.Benchmarks.Loads;

namespace KestrelEventLoopTransport.BrowserTests;

/// <summary>Results of no benchmark: with and without latencies, with failures and odd names.</summary>
internal static class SampleResults
{
    internal const string Evil = "<img src=x onerror=alert(1)>";

    private const string Failing = "Inline";

    // A few are enough, and soon looked at.
    private static readonly string[] _names = ["plaintext", "pipelined", "64k", "http2", "echo", "upload"];

    private static readonly Candidate[] _candidates =
    [
        new(Candidate.Baseline, []),
        new("sockets-inline", [], InlineCompletions: true),
        .. Enum.GetNames<ApplicationScheduling>().Select(static name => new Candidate(name, [])),
        new(Candidate.Floor, []),
        new(Evil, [], IsPeer: true),
    ];

    internal static RunSettings Settings { get; } = new()
    {
        Only = [],
        Candidates = [],
        Peers = [],
        Rounds = 3,
        Seconds = 1.5,
        WarmUpSeconds = 3,
        Latency = true,
        IdleConnections = 10_000,
        ServerCpu = 0,
        LoadCpu = 1,
        NativeDirectory = "",
        OutputDirectory = "",
        Command = $"build/bench.sh --latency --peer '{Evil}=exec server'",
    };

    internal static IReadOnlyList<IRowResult> Rows { get; } =
    [
        new QuietResult(100, Measure(static (i, round) => new QuietWindow(
            40 + i + round, 2 + i, new Dictionary<string, double> { ["recvfrom"] = 1, ["sendto"] = 1 }))),
        .. Workloads.All.Where(static workload => _names.Contains(workload.Name)).Select(Workload),
        new IdleResult([.. _candidates[..4].Select(Idle)], 10_000),
    ];

    private static WorkloadResult Workload(Workload workload, int number)
    {
        var cost = 4.25 + number * number;
        var step = workload.Name == "echo" ? 0.03 : -0.09;
        var isKnown = workload.Name != "pipelined";
        return new WorkloadResult(
            workload,
            Measure((i, round) => Window(cost, i, round, step, isKnown), failing: number == 0 ? Failing : ""),
            number % 2 == 0 ? Measure((i, round) => Window(cost * 0.9, i, round, step, isKnown: true)) : null,
            50_000);
    }

    // The further in the list, the cheaper, or the dearer by the step; the last is dearest.
    private static Window Window(double cost, int i, int round, double step, bool isKnown)
    {
        var cpu = cost * (i == _candidates.Length - 1 ? 2.5 : 1 + i * step) * (1 + (round - 1) * 0.05);
        var latency = new Latencies(cpu * 30, cpu * 55, cpu * 130 + i * 40, cpu * 600, cpu * 2400);
        return new Window(cpu, 1e6 / cpu, isKnown ? latency : Latencies.Unknown, 0.98);
    }

    private static IdleCandidate Idle(Candidate candidate, int i) => new(candidate)
    {
        Raw = new IdleMemory(4000 - i * 500, 4800 - i * 500),
        Fresh = new IdleMemory(7300 - i * 500, 8000 - i * 500),
        AfterRequest = new IdleMemory(8000 - i * 500, 9000 - i * 500),
    };

    private static Rounds<TWindow> Measure<TWindow>(Func<int, int, TWindow> window, string failing = "")
    {
        var rounds = new Rounds<TWindow>(_candidates);
        foreach (var (i, result) in rounds.Results.Index())
        {
            if (result.Candidate.Name == failing)
            {
                var failure = result.GuardAsync(static () => throw new BenchmarkFailedException("it ended <early>"));
                Assert.True(failure.IsCompletedSuccessfully);
                continue;
            }

            result.Windows.AddRange(Enumerable.Range(0, Settings.Rounds).Select(round => window(i, round)));
        }

        return rounds;
    }
}
