using KestrelEventLoopTransport.Benchmarks.Loads;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// The candidates' servers. All are started before the first row and live until the last, so that in each row they are
// equally old and warm; those with a silo start with its row. One that has failed is ended; the next row begins with a
// new one. The upstream server, behind all of them, shares the load's processor: proxies forward to it, and clients
// send their requests there.
internal sealed class RunningServers(RunSettings settings) : IAsyncDisposable
{
    private readonly Dictionary<(string Name, bool HasSilo), ServerProcess> _servers = [];
    private ServerProcess? _upstream;

    public async Task StartAsync(IEnumerable<Candidate> candidates, CancellationToken cancellationToken)
    {
        foreach (var candidate in candidates)
        {
            await GetAsync(candidate, cancellationToken);
        }
    }

    public async Task<ServerProcess> GetAsync(Candidate candidate, CancellationToken cancellationToken)
    {
        if (!_servers.TryGetValue((candidate.Name, candidate.HasSilo), out var server))
        {
            _upstream ??= await ServerProcess.StartAsync(
                Candidate.Upstream, settings with { ServerCpu = settings.LoadCpu }, cancellationToken);
            server = await ServerProcess.StartAsync(candidate.Before(_upstream.Ports), settings, cancellationToken);
            _servers.Add((candidate.Name, candidate.HasSilo), server);
        }

        return server;
    }

    // Without the peers that have another purpose: what they can do is found out by asking.
    public async Task<IReadOnlyList<Candidate>> ServingAsync(
        IEnumerable<Candidate> candidates,
        ILoad load,
        ResponseCheck? check,
        CancellationToken cancellationToken)
    {
        var serving = new List<Candidate>();
        foreach (var candidate in candidates)
        {
            if (!candidate.IsPeer || await ServesAsync(candidate, load, check, cancellationToken))
            {
                serving.Add(candidate);
            }
            else
            {
                Console.WriteLine($"  {candidate.Name} does not serve this");
            }
        }

        return serving;
    }

    public async Task WarmUpAsync(Candidate candidate, ILoad load, CancellationToken cancellationToken)
    {
        // On one busy processor the JIT takes half a minute to settle, and until then the figures are of instrumented
        // code. The server has counted its processors by now, so it may use both while it warms up.
        var server = await GetAsync(candidate, cancellationToken);
        await server.PinAsync(settings.ServerCpu, settings.LoadCpu);
        await LoadProcess.RunAsync(load, server.Ports, settings.WarmUpSeconds, settings, cancellationToken);
        await server.PinAsync(settings.ServerCpu);
        await LoadProcess.RunAsync(load, server.Ports, settings.WarmUpSeconds / 2, settings, cancellationToken);
    }

    public async Task DropFailedAsync<TWindow>(Rounds<TWindow> rounds)
    {
        foreach (var result in rounds.Results.Where(result => result.Failure is not null))
        {
            if (_servers.Remove((result.Candidate.Name, result.Candidate.HasSilo), out var server))
            {
                await server.DisposeAsync();
            }
        }
    }

    // A server that does not end as it should, after all that it has served, makes the run fail.
    // The upstream server ends after its clients.
    public async Task StopAsync()
    {
        await Task.WhenAll(_servers.Values.Select(server => server.StopAsync()));
        await (_upstream?.StopAsync() ?? Task.CompletedTask);
    }

    private async Task<bool> ServesAsync(
        Candidate peer,
        ILoad load,
        ResponseCheck? check,
        CancellationToken cancellationToken)
    {
        try
        {
            var ports = (await GetAsync(peer, cancellationToken)).Ports;
            if (load.Port(ports) == 0)
            {
                return false;
            }

            await (check?.RunAsync(ports, cancellationToken) ?? Task.CompletedTask);
            return true;
        }
        catch (Exception e) when (e is BenchmarkFailedException or HttpRequestException)
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers.Values)
        {
            await server.DisposeAsync();
        }

        await (_upstream?.DisposeAsync() ?? ValueTask.CompletedTask);
    }
}
