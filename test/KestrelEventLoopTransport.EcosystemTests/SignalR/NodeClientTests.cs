namespace KestrelEventLoopTransport.EcosystemTests.SignalR;

/// <summary>SignalR's client for JavaScript, run by node: see <c>client.js</c>.</summary>
public sealed class NodeClientTests(NodeModules modules) : IClassFixture<NodeModules>
{
    [Theory(Timeout = 120_000)]
    [ClassData<EveryTransport>]
    public async Task It_does_all_over_every_wire(TransportUnderTest transport)
    {
        await using var server = await HubServer.StartAsync(transport);

        var result = await ToolProcess.RunAsync(
            "node", Path.Combine(AppContext.BaseDirectory, "SignalR", "client.js"), modules.Path, $"{server.Address}");

        Assert.Equal(Enum.GetValues<HubWire>().Length, result.AssertSuccess().Output.Split('\n')[..^1].Length);
    }
}
