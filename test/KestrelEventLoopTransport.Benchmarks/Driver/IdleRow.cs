using System.Globalization;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// Opens thousands of connections to each candidate and lets the server say what they cost, then sends one
// request over each of them and asks again.
internal sealed class IdleRow : IRow
{
    private const int WarmUpConnections = 500;
    private const int MostLooks = 50;

    private static readonly TimeSpan _betweenLooks = TimeSpan.FromMilliseconds(200);

    public string Name => "idle";

    public bool TakesPart(Candidate candidate)
        => !candidate.IsFloor && !candidate.IsPeer && candidate.OnlyWorkloads is null;

    public async Task<IRowResult> RunAsync(
        IReadOnlyList<Candidate> candidates,
        RunningServers servers,
        RunSettings settings,
        CancellationToken cancellationToken)
    {
        Console.WriteLine($"\n{settings.IdleConnections} idle connections");
        var results = new List<IdleCandidate>();
        foreach (var candidate in candidates)
        {
            try
            {
                results.Add(await MeasureAsync(candidate, settings, cancellationToken));
            }
            catch (Exception e) when (e is BenchmarkFailedException or HttpRequestException or SocketException
                or TaskCanceledException { InnerException: TimeoutException })
            {
                Console.WriteLine($"  FAILED    {candidate.Name}: {e.Message}");
                results.Add(new IdleCandidate(candidate) { Failure = e.Message });
            }
        }

        return new IdleResult(results, settings.IdleConnections);
    }

    private static async Task<IdleCandidate> MeasureAsync(
        Candidate candidate,
        RunSettings settings,
        CancellationToken cancellationToken)
    {
        var raw = await MeasureRawAsync(candidate, settings, cancellationToken);
        await using var server = await ServerProcess.StartAsync(candidate, settings, cancellationToken);
        using var client = ClientOf(server);
        var baseline = await WarmUpAsync(server, client, cancellationToken);

        using var connections = new IdleConnections(server.Ports.Http, settings.IdleConnections);
        var fresh = await SettleAsync(server, client, cancellationToken);
        Report(candidate, "HTTP, fresh", fresh.PerConnection(baseline, settings.IdleConnections));

        // The answers prove as well that every connection had been accepted when the memory was read.
        connections.Request();
        var afterRequest = await SettleAsync(server, client, cancellationToken);
        Report(candidate, "HTTP, after a request", afterRequest.PerConnection(baseline, settings.IdleConnections));

        connections.ThrowIfAnyIsClosed();
        connections.Dispose();
        await server.StopAsync();

        return new IdleCandidate(candidate)
        {
            Raw = raw,
            Fresh = fresh.PerConnection(baseline, settings.IdleConnections),
            AfterRequest = afterRequest.PerConnection(baseline, settings.IdleConnections),
        };
    }

    // In a process of its own: what one kind of connection leaves behind must not serve the other.
    private static async Task<IdleMemory> MeasureRawAsync(
        Candidate candidate,
        RunSettings settings,
        CancellationToken cancellationToken)
    {
        await using var server = await ServerProcess.StartAsync(candidate, settings, cancellationToken);
        using var client = ClientOf(server);
        var baseline = await WarmUpAsync(server, client, cancellationToken);
        using var connections = new IdleConnections(server.Ports.Echo, settings.IdleConnections);
        var memory = (await SettleAsync(server, client, cancellationToken))
            .PerConnection(baseline, settings.IdleConnections);
        Report(candidate, "raw, fresh", memory);

        connections.ThrowIfAnyIsClosed();
        connections.Dispose();
        await server.StopAsync();
        return memory;
    }

    // Whatever is made once for all connections must exist before the first look.
    private static async Task<IdleMemory> WarmUpAsync(
        ServerProcess server,
        HttpClient client,
        CancellationToken cancellationToken)
    {
        using (var warmUp = new IdleConnections(server.Ports.Http, WarmUpConnections))
        {
            warmUp.Request();
        }

        return await SettleAsync(server, client, cancellationToken);
    }

    private static HttpClient ClientOf(ServerProcess server) => new()
    {
        BaseAddress = new Uri($"http://127.0.0.1:{server.Ports.Http}"),
        Timeout = TimeSpan.FromSeconds(30),
    };

    private static void Report(Candidate candidate, string state, IdleMemory memory)
        => Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  {candidate.Name,-16} {state,-22} {memory.Managed,8:N0} managed, {memory.Resident,8:N0} resident "
                + $"bytes/connection"));

    // Looks until two collections in a row leave nearly the same: accepting and closing go on behind us.
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
