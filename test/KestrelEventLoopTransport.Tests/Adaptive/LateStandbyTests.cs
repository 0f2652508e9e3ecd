namespace KestrelEventLoopTransport.Tests.Adaptive;

[Trait("Contract", "adaptive")]
[FailsOnStock("Stock runs handlers on the thread pool, or inline and unprotected.")]
public sealed class LateStandbyTests
{
    /// <summary>
    /// A flush that lets other connections have their turn goes on as work of the loop. By then the last standby
    /// thread may be gone, and nobody could take the loop from a handler that blocks after that flush.
    /// </summary>
    [Fact]
    public async Task A_handler_that_let_others_have_their_turn_does_not_block_a_loop_without_standby_threads()
    {
        var roadblock = new Roadblock();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Transport = static options => (options.EventLoopCount, options.Adaptive.MaxStandbyThreads) = (1, 1),
            Connection = async connection =>
            {
                var input = connection.Transport.Input;
                while (true)
                {
                    var result = await input.ReadAsync();
                    var command = result.Buffer.IsEmpty ? default : result.Buffer.FirstSpan[0];
                    input.AdvanceTo(result.Buffer.End);
                    switch (command)
                    {
                        case (byte)'b':
                            roadblock.Block();
                            break;
                        case (byte)'f':
                            while (roadblock.Arrived == 0)
                            {
                                await connection.Transport.Output.FlushAsync();
                            }

                            roadblock.Block();
                            break;
                        case default(byte):
                            return;
                        default:
                            await connection.Transport.Output.WriteAsync(new byte[] { command });
                            break;
                    }
                }
            },
        });
        using var opening = roadblock;
        using var flushing = await server.ConnectAsync();
        using var blocking = await server.ConnectAsync();
        using var other = await server.ConnectAsync();
        foreach (var client in new[] { flushing, blocking, other })
        {
            await client.SendAsync("e");
            await client.ReceiveExactlyAsync(1);
        }

        await flushing.SendAsync("f");
        await blocking.SendAsync("b");
        await roadblock.UntilArrivedAsync(2);
        await other.SendAsync("e");
        await other.ReceiveExactlyAsync(1);
    }
}
