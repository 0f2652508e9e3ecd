using System.Text.Json;

namespace KestrelEventLoopTransport.Tests.Status;

/// <summary>What the status page says of a loop whose thread a handler keeps.</summary>
[FailsOnStock("A page of ours.")]
public sealed class StatusHandlerTests
{
    [Fact]
    public async Task A_handler_that_blocks_is_named()
    {
        using var roadblock = new Roadblock();
        await using var server = await StartBlockingAsync(roadblock);
        using var peer = await BlockAsync(server, roadblock);
        var id = (await FindAsync(server, peer)).Text("id");

        await Poll.UntilAsync(async () => (await server.GetAsync()).GetProperty("handlers").EnumerateArray()
            .Any(handler => handler.Text("target").Contains(id, StringComparison.Ordinal)
                && handler.GetProperty("seconds").GetDouble() > 0));

        roadblock.Open();
        await Poll.UntilAsync(async () => (await server.GetAsync()).GetProperty("handlers").GetArrayLength() == 0);
    }

    [Fact]
    public async Task A_hand_off_is_counted_for_its_loop()
    {
        using var roadblock = new Roadblock();
        await using var server = await StartBlockingAsync(roadblock);
        using var peer = await BlockAsync(server, roadblock);
        var loop = (await FindAsync(server, peer)).Int("loop");

        await Poll.UntilAsync(async () =>
            (await server.GetAsync()).GetProperty("loops")[loop].Int("handOffs") > 0);

        roadblock.Open();
    }

    private static Task<StatusServer> StartBlockingAsync(Roadblock roadblock)
        => StatusServer.StartAsync(app: new TestApp(roadblock).RunAsync);

    /// <summary>A client whose request stands at the roadblock, on a thread that runs a loop.</summary>
    private static async Task<HttpPeer> BlockAsync(StatusServer server, Roadblock roadblock)
    {
        var peer = await TestApp.ConnectToLoopAsync(server.Server);
        await peer.SendAsync(TestApp.Block);
        await roadblock.UntilArrivedAsync(1);
        return peer;
    }

    private static async Task<JsonElement> FindAsync(StatusServer server, HttpPeer peer)
        => Assert.Single(await server.GetConnectionsAsync($"?q={peer.Socket.LocalEndPoint}"));
}
