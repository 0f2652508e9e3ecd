namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>
/// Loops that make progress put the supervisor's next look off. That must not hide those that do not.
/// </summary>
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock runs handlers on the thread pool, or inline and unprotected.")]
public sealed class BusyLoopTests
{
    private const int Loops = 3;

    // So long that there is progress all the time.
    private static readonly TimeSpan _threshold = TimeSpan.FromMilliseconds(200);

    [Theory]
    [InlineData(1)]
    [InlineData(Loops - 1)]
    public async Task Loops_change_hands_although_another_is_busy(int blocked)
    {
        for (var round = 0; round < 3; round++)
        {
            var roadblock = new Roadblock();
            await using var server = await TestApp.StartAsync(roadblock, loops: Loops, threshold: _threshold);
            await using var traffic = await Traffic.StartAsync(server, 2 * Loops);
            using var opening = roadblock;
            await traffic.UntilAllAreServedAsync();
            var peers = new List<HttpPeer>();
            for (var i = 0; i < blocked; i++)
            {
                peers.Add(await TestApp.ConnectToLoopAsync(server));
            }

            // They block at about the same time. Unless connections came to the same loop, there are several at once.
            await Task.WhenAll(peers.Select(static peer => peer.SendAsync(TestApp.Block)));
            await roadblock.UntilArrivedAsync(blocked);
            await traffic.UntilAllAreServedAsync();

            roadblock.Open();
            foreach (var peer in peers)
            {
                Assert.Equal(TestApp.Block, await peer.ReceiveAsync());
                peer.Dispose();
            }
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task What_a_handler_flushed_arrives_although_other_connections_are_busy(
        ApplicationScheduling scheduling)
    {
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock, scheduling, Loops, threshold: _threshold);
        using var peer = await HttpPeer.ConnectAsync(server);
        await using var traffic = await Traffic.StartAsync(server, 2 * Loops);
        using var opening = roadblock;
        await traffic.UntilAllAreServedAsync();
        await peer.SendAsync(TestApp.FlushAndBlock);

        await peer.ReceiveHeadAsync();
        Assert.Equal(TestApp.FirstHalf, await peer.ReceiveTextAsync(TestApp.FirstHalf.Length));

        roadblock.Open();
        Assert.Equal(TestApp.SecondHalf, await peer.ReceiveTextAsync(TestApp.SecondHalf.Length));
    }
}
