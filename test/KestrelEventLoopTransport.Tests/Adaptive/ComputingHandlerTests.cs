namespace KestrelEventLoopTransport.Tests.Adaptive;

[Trait("Contract", "adaptive")]
[FailsOnStock("Stock runs handlers on the thread pool, or inline and unprotected.")]
public sealed class ComputingHandlerTests
{
    private const int Loops = 2;

    [Fact]
    public async Task Health_checks_are_answered_while_a_handler_computes_on_every_loop()
    {
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock, loops: Loops);
        using var opening = roadblock;
        var computing = new List<HttpPeer>();
        var others = new List<HttpPeer>();
        try
        {
            // Round robin: two of each on every loop.
            for (var i = 0; i < Loops * 2; i++)
            {
                (i < Loops ? computing : others).Add(await TestApp.ConnectToLoopAsync(server));
            }

            await Task.WhenAll(computing.Select(static peer => peer.SendAsync(TestApp.Compute)));
            await roadblock.UntilArrivedAsync(Loops);
            others.Add(await HttpPeer.ConnectAsync(server));
            for (var i = 0; i < 3; i++)
            {
                foreach (var peer in others)
                {
                    Assert.Equal(TestApp.Plain, await peer.GetAsync(TestApp.Plain));
                }
            }

            roadblock.Open();
            foreach (var peer in computing)
            {
                Assert.Equal(TestApp.Compute, await peer.ReceiveAsync());
            }
        }
        finally
        {
            roadblock.Open();
            computing.ForEach(static peer => peer.Dispose());
            others.ForEach(static peer => peer.Dispose());
        }
    }
}
