using System.Diagnostics;
using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Loads;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// The first seconds of a process, with the JIT at work on the same processor. Each round starts new ones. Windows that
// are set to be shorter than a second shorten these as well.
internal sealed class StartRow : IRow
{
    public const int Seconds = 10;

    private readonly WrkLoad _load = new("/plaintext");

    public string Name => "start";

    public bool TakesPart(Candidate candidate) => candidate.OnlyWorkloads is null;

    public async Task<IRowResult> RunAsync(
        IReadOnlyList<Candidate> candidates,
        RunningServers servers,
        RunSettings settings,
        CancellationToken cancellationToken)
    {
        Console.WriteLine("\nThe first seconds");
        var rounds = new Rounds<StartWindow>(
            await servers.ServingAsync(candidates, _load, check: null, cancellationToken));
        await rounds.RunAsync(settings.Rounds, async result =>
        {
            var window = await MeasureAsync(result.Candidate);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  {$"{result.Windows.Count + 1}/{settings.Rounds}",-9} {result.Candidate.Name,-16} "
                    + $"{window.FirstResponse,4:F0} ms, then "
                    + $"{string.Join(' ', window.Cpu.Select(cpu => $"{cpu:F1}"))} µs/request"));
            return window;
        });
        return new StartResult(rounds);

        async Task<StartWindow> MeasureAsync(Candidate candidate)
        {
            var begin = Stopwatch.GetTimestamp();
            await using var server = await ServerProcess.StartAsync(candidate, settings, cancellationToken);
            using (var connection = new IdleConnections(server.Ports.Http, 1))
            {
                connection.Request();
            }

            var firstResponse = Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
            var cpu = new List<double>();
            var length = Math.Min(1, settings.Seconds);
            for (var second = 0; second < Seconds; second++)
            {
                var before = server.CpuTime;
                var load = await LoadProcess.RunAsync(_load, server.Ports, length, settings, cancellationToken);
                cpu.Add((server.CpuTime - before).TotalMicroseconds / load.Operations);
            }

            await server.StopAsync();
            return new StartWindow(firstResponse, cpu);
        }
    }
}
