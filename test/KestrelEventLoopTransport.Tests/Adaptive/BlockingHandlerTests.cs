namespace KestrelEventLoopTransport.Tests.Adaptive;

[Trait("Contract", "adaptive")]
[FailsOnStock("Stock runs handlers on the thread pool, or inline and unprotected.")]
public sealed class BlockingHandlerTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public async Task Other_connections_of_the_loop_are_served_while_handlers_block(int blocked)
    {
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock);
        using var opening = roadblock;
        using var old = await TestApp.ConnectToLoopAsync(server);
        var peers = new List<HttpPeer>();
        try
        {
            for (var i = 0; i < blocked; i++)
            {
                peers.Add(await TestApp.ConnectToLoopAsync(server));
            }

            await Task.WhenAll(peers.Select(static peer => peer.SendAsync(TestApp.Block)));
            await roadblock.UntilArrivedAsync(blocked);
            Assert.All(roadblock.Threads, static name => Assert.True(TestApp.IsLoopThread(name), name));
            using var fresh = await TestApp.ConnectToLoopAsync(server);
            for (var i = 0; i < 20; i++)
            {
                Assert.Equal(TestApp.Plain, await old.GetAsync(TestApp.Plain));
                Assert.Equal(TestApp.Plain, await fresh.GetAsync(TestApp.Plain));
            }

            roadblock.Open();
            foreach (var peer in peers)
            {
                Assert.Equal(TestApp.Block, await peer.ReceiveAsync());
                Assert.Equal("/after", await peer.GetAsync("/after"));
            }
        }
        finally
        {
            peers.ForEach(static peer => peer.Dispose());
        }
    }

    [Fact]
    public async Task Requests_in_the_same_poll_as_the_one_that_blocks_are_served()
    {
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock);
        using var opening = roadblock;
        using var first = await TestApp.ConnectToLoopAsync(server);
        using var blocked = await TestApp.ConnectToLoopAsync(server);
        using var third = await TestApp.ConnectToLoopAsync(server);

        for (var i = 0; i < 20; i++)
        {
            await Task.WhenAll(first.SendAsync(TestApp.Plain), third.SendAsync(TestApp.Plain));
            if (i == 10)
            {
                await blocked.SendAsync(TestApp.Block);
            }

            Assert.Equal(TestApp.Plain, await first.ReceiveAsync());
            Assert.Equal(TestApp.Plain, await third.ReceiveAsync());
        }

        await roadblock.UntilArrivedAsync(1);
        roadblock.Open();
        Assert.Equal(TestApp.Block, await blocked.ReceiveAsync());
    }

    [Fact]
    public async Task A_peer_that_leaves_while_its_handler_blocks_harms_nobody()
    {
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock);
        using var opening = roadblock;
        using var other = await TestApp.ConnectToLoopAsync(server);
        for (var i = 0; i < 4; i++)
        {
            using var leaving = await TestApp.ConnectToLoopAsync(server);
            await leaving.SendAsync(TestApp.Block);
            await roadblock.UntilArrivedAsync(i + 1);
        }

        Assert.Equal(TestApp.Plain, await other.GetAsync(TestApp.Plain));
        roadblock.Open();
        Assert.Equal(TestApp.Plain, await other.GetAsync(TestApp.Plain));
    }
}
