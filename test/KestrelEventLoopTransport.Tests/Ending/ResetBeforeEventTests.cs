using KestrelEventLoopTransport.Tests.Adaptive;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Ending;

[Trait("Contract", "18")]
public sealed class ResetBeforeEventTests
{
    // The kernel tells the error of a reset once. A send that takes it away leaves the poller with the end of the
    // stream alone, and with kqueue that looks like a FIN.
    [Fact]
    public async Task A_reset_that_a_send_meets_before_the_loop_does_is_no_clean_end()
    {
        await using var transport = new TestTransport(
            ApplicationScheduling.Inline, static options => options.EventLoopCount = 1);
        using var roadblock = new Roadblock();
        await using var busy = await transport.ConnectAsync();
        await using var pair = await transport.ConnectAsync();
        var blocked = BlockLoopAsync(busy, roadblock);
        await busy.Client.SendAsync("x");
        await roadblock.UntilArrivedAsync(1);

        // The loop sees nothing of this.
        pair.Client.Reset();
        await Poll.UntilAsync(
            async () => (await pair.Output.WriteAsync(Pattern.Create(100)).DefaultTimeout()).IsCompleted);
        roadblock.Open();
        await blocked.DefaultTimeout();

        await Assert.ThrowsAsync<ConnectionResetException>(() => pair.Input.ReadAsync().DefaultTimeout());
    }

    private static async Task BlockLoopAsync(ConnectedPair pair, Roadblock roadblock)
    {
        var result = await pair.Input.ReadAsync();
        roadblock.Block();
        pair.Input.AdvanceTo(result.Buffer.End);
    }
}
