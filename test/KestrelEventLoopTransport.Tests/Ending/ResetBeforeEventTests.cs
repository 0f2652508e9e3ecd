using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Ending;

[Trait("Contract", "18")]
public sealed class ResetBeforeEventTests
{
    private const int Sent = 5000;

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

    // Kestrel aborts as soon as it hears that the connection is over.
    [Fact]
    [FailsOnStock("A send that meets the reset takes what came before it from the reader.")]
    public async Task What_came_before_the_reset_is_received_although_the_application_aborts()
    {
        await using var transport = new TestTransport(
            ApplicationScheduling.Inline, static options => options.EventLoopCount = 1);
        using var roadblock = new Roadblock();
        await using var busy = await transport.ConnectAsync();
        await using var pair = await transport.ConnectAsync();
        var aborted = Signal.New();
        var read = pair.Input.ReadAtLeastAsync(Sent).AsTask();
        using var registration = pair.Connection.ConnectionClosed.Register(() =>
        {
            pair.Connection.Abort(null!);
            aborted.SetResult();
        });
        var blocked = BlockLoopAsync(busy, roadblock);
        await busy.Client.SendAsync("x");
        await roadblock.UntilArrivedAsync(1);

        // The loop sees nothing of this.
        await pair.Client.SendAsync(Pattern.Create(Sent));
        pair.Client.Reset();
        await Poll.UntilAsync(
            async () => (await pair.Output.WriteAsync(Pattern.Create(100)).DefaultTimeout()).IsCompleted);
        await aborted.Task.DefaultTimeout();
        roadblock.Open();
        await blocked.DefaultTimeout();

        var result = await read.DefaultTimeout();
        Assert.Equal(Pattern.Create(Sent), result.Buffer.ToArray());
        pair.Input.AdvanceTo(result.Buffer.End);

        // Meanwhile the loop sees the end of the stream, without the error that the send has taken.
        await busy.Client.SendAsync("y");
        await busy.Input.ReadAsync().DefaultTimeout();
        await Assert.ThrowsAsync<ConnectionResetException>(() => pair.Input.ReadAsync().DefaultTimeout());
    }

    private static async Task BlockLoopAsync(ConnectedPair pair, Roadblock roadblock)
    {
        var result = await pair.Input.ReadAsync();
        roadblock.Block();
        pair.Input.AdvanceTo(result.Buffer.End);
    }
}
