using System.Globalization;
using KestrelEventLoopTransport.Benchmarks.Loads;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// What a request costs a server that has little to do. System calls are counted in a window of their own, because
// strace slows the server down.
internal sealed class QuietRow(double rate) : IRow
{
    private const int Connections = 8;

    private readonly WrkLoad _warmUp = new("/plaintext");
    private readonly NativeLoad _load = new("get", Connections, "/plaintext", rate);

    public string Name => string.Create(CultureInfo.InvariantCulture, $"quiet-{rate}");

    public bool TakesPart(Candidate candidate) => candidate.OnlyWorkloads is null;

    public async Task<IRowResult> RunAsync(
        IReadOnlyList<Candidate> candidates,
        RunningServers servers,
        RunSettings settings,
        CancellationToken cancellationToken)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\n{rate:N0} requests per second"));
        var rounds = new Rounds<QuietWindow>(
            await servers.ServingAsync(candidates, _load, check: null, cancellationToken));
        foreach (var result in rounds.Results)
        {
            await result.GuardAsync(() => servers.WarmUpAsync(result.Candidate, _warmUp, cancellationToken));
        }

        await rounds.RunAsync(settings.Rounds, async result =>
        {
            var window = await MeasureAsync(await servers.GetAsync(result.Candidate, cancellationToken));
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  {$"{result.Windows.Count + 1}/{settings.Rounds}",-9} {result.Candidate.Name,-16} "
                    + $"{window.AllCalls,6:F2} system calls, {window.Switches,6:F2} context switches, "
                    + $"{window.Cpu,6:F1} µs per request"));
            return window;
        });
        await servers.DropFailedAsync(rounds);
        return new QuietResult(rate, rounds);

        async Task<QuietWindow> MeasureAsync(ServerProcess server)
        {
            var (cpu, switches) = (server.CpuTime, server.ContextSwitches);
            var operations = (await LoadAsync(server)).Operations;
            (cpu, switches) = (server.CpuTime - cpu, server.ContextSwitches - switches);

            await using var trace = await SystemCallTrace.StartAsync(server.Id, settings, cancellationToken);
            var traced = (await LoadAsync(server)).Operations;
            var calls = await trace.StopAsync(cancellationToken);
            return new QuietWindow(
                cpu.TotalMicroseconds / operations,
                (double)switches / operations,
                calls.ToDictionary(call => call.Key, call => (double)call.Value / traced));
        }

        Task<LoadResult> LoadAsync(ServerProcess server)
            => LoadProcess.RunAsync(_load, server.Ports, settings.Seconds, settings, cancellationToken);
    }
}
