namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>Connections that send the next requests as soon as they have the responses.</summary>
internal sealed class Traffic : IAsyncDisposable
{
    private static readonly string[] _batch = [.. Enumerable.Repeat(TestApp.Plain, 16)];

    private readonly CancellationTokenSource _stop = new();
    private readonly int[] _served;
    private readonly Task[] _connections;

    private Traffic(HttpPeer[] peers)
    {
        _served = new int[peers.Length];
        _connections = [.. peers.Select((peer, index) => Task.Run(() => RunAsync(peer, index)))];
    }

    public static async Task<Traffic> StartAsync(TestServer server, int connections)
    {
        var peers = new HttpPeer[connections];
        for (var i = 0; i < connections; i++)
        {
            peers[i] = await HttpPeer.ConnectAsync(server);
        }

        return new Traffic(peers);
    }

    /// <summary>Waits until every connection has been served some more.</summary>
    public Task UntilAllAreServedAsync()
    {
        var before = _served.ToArray();
        return Poll.UntilAsync(
            () => _served.Zip(before).All(static served => served.First > served.Second + 5),
            () => $"Served before: {string.Join(' ', before)}, now: {string.Join(' ', _served)}.");
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_connections).DefaultTimeout();
        _stop.Dispose();
    }

    private async Task RunAsync(HttpPeer peer, int index)
    {
        using var ending = peer;
        while (!_stop.IsCancellationRequested)
        {
            await peer.SendAsync(_batch);
            foreach (var path in _batch)
            {
                Assert.Equal(path, await peer.ReceiveAsync());
            }

            Interlocked.Increment(ref _served[index]);
        }
    }
}
