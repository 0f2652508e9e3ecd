namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>Loops that make progress put the supervisor's next look off. That must not hide the one that does not.</summary>
[Trait("Contract", "adaptive")]
[Trait("Stock", "fails")]
public sealed class BusyLoopTests
{
    private const int Loops = 2;
    private const int Blocked = 5;

    // So long that there is progress all the time.
    private static readonly TimeSpan _threshold = TimeSpan.FromMilliseconds(200);

    [Fact]
    public async Task A_loop_changes_hands_although_the_other_is_busy()
    {
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock, loops: Loops, threshold: _threshold);
        using var opening = roadblock;
        await using var traffic = await Traffic.StartAsync(server, 2 * Loops);
        for (var i = 1; i <= Blocked; i++)
        {
            using var peer = await HttpPeer.ConnectToLoopAsync(server);
            await peer.SendAsync(TestApp.Block);
            await roadblock.UntilArrivedAsync(i);
            await traffic.UntilAllAreServedAsync();
        }
    }

    [Theory]
    [MemberData(nameof(Schedulings.All), MemberType = typeof(Schedulings))]
    public async Task What_a_handler_flushed_arrives_although_other_connections_are_busy(ApplicationScheduling scheduling)
    {
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock, scheduling, Loops, threshold: _threshold);
        using var opening = roadblock;
        using var peer = await HttpPeer.ConnectAsync(server);
        await using var traffic = await Traffic.StartAsync(server, 2 * Loops);
        await traffic.UntilAllAreServedAsync();
        await peer.SendAsync(TestApp.FlushAndBlock);

        await peer.ReceiveHeadAsync();
        Assert.Equal(TestApp.FirstHalf, await peer.ReceiveTextAsync(TestApp.FirstHalf.Length));

        roadblock.Open();
        Assert.Equal(TestApp.SecondHalf, await peer.ReceiveTextAsync(TestApp.SecondHalf.Length));
    }

    /// <summary>Connections that send the next requests as soon as they have the responses.</summary>
    private sealed class Traffic : IAsyncDisposable
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
}
