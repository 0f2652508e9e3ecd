using System.Globalization;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

/// <summary>Opens thousands of connections to each candidate and lets the server say what they cost, then sends one
/// request over each of them and asks again.</summary>
internal sealed class IdleRun(RunSettings settings)
{
    private const int WarmUpConnections = 500;
    private const int MostLooks = 50;

    private static readonly TimeSpan _betweenLooks = TimeSpan.FromMilliseconds(200);

    public async Task<IReadOnlyList<IdleResult>> RunAsync(
        IEnumerable<Candidate> candidates,
        CancellationToken cancellationToken)
    {
        Console.WriteLine($"\n{settings.IdleConnections} idle connections");
        var results = new List<IdleResult>();
        foreach (var candidate in candidates.Where(candidate => !candidate.IsFloor))
        {
            try
            {
                results.Add(await MeasureAsync(candidate, cancellationToken));
            }
            catch (Exception e) when (e is BenchmarkFailedException or HttpRequestException or SocketException
                or TaskCanceledException { InnerException: TimeoutException })
            {
                Console.WriteLine($"  FAILED    {candidate.Name}: {e.Message}");
                results.Add(new IdleResult(candidate) { Failure = e.Message });
            }
        }

        return results;
    }

    private async Task<IdleResult> MeasureAsync(Candidate candidate, CancellationToken cancellationToken)
    {
        await using var server = await ServerProcess.StartAsync(candidate, settings, cancellationToken);
        using var client = new HttpClient
        {
            BaseAddress = new Uri($"http://127.0.0.1:{server.Ports.Http}"),
            Timeout = TimeSpan.FromSeconds(30),
        };

        // Whatever is made once for all connections must exist before the first look.
        using (var warmUp = new IdleConnections(server.Ports.Http, WarmUpConnections))
        {
            warmUp.Request();
        }

        var baseline = await SettleAsync(server, client, cancellationToken);

        using var connections = new IdleConnections(server.Ports.Http, settings.IdleConnections);
        var fresh = await SettleAsync(server, client, cancellationToken);
        Report("fresh", fresh);

        // The answers prove as well that every connection had been accepted when the memory was read.
        connections.Request();
        var afterRequest = await SettleAsync(server, client, cancellationToken);
        Report("after one request", afterRequest);

        connections.ThrowIfAnyIsClosed();
        connections.Dispose();
        await server.StopAsync();

        return new IdleResult(candidate)
        {
            Fresh = fresh.PerConnection(baseline, settings.IdleConnections),
            AfterRequest = afterRequest.PerConnection(baseline, settings.IdleConnections),
        };

        void Report(string state, IdleMemory memory)
        {
            var per = memory.PerConnection(baseline, settings.IdleConnections);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  {candidate.Name,-16} {state,-18} {per.Managed,8:N0} managed, {per.Resident,8:N0} resident bytes/connection"));
        }
    }

    /// <summary>Looks until two collections in a row leave nearly the same: accepting and closing go on behind us.</summary>
    private static async Task<IdleMemory> SettleAsync(
        ServerProcess server,
        HttpClient client,
        CancellationToken cancellationToken)
    {
        var last = 0.0;
        for (var i = 0; i < MostLooks; i++)
        {
            var text = await client.GetStringAsync(new Uri("/gc", UriKind.Relative), cancellationToken);
            var managed = double.Parse(text, CultureInfo.InvariantCulture);
            if (Math.Abs(managed - last) < managed * 0.001)
            {
                return new IdleMemory(managed, server.ResidentBytes);
            }

            last = managed;
            await Task.Delay(_betweenLooks, cancellationToken);
        }

        throw new BenchmarkFailedException("the server's managed memory does not settle");
    }
}
