using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using KestrelEventLoopTransport.Connections.Output;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>
/// A callback of one connection that flushes the output of another, as that of a proxy's upstream connection does.
/// </summary>
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock leaves every flush to another thread.")]
public sealed class CorkedOutputTests
{
    private const int Messages = 3;
    private const int Length = 1000;

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task What_was_flushed_arrives_although_the_callback_of_the_other_connection_then_blocks(
        ApplicationScheduling scheduling)
    {
        using var roadblock = new Roadblock();
        using var ready = new SemaphoreSlim(0);
        await using var server = await StartAsync(scheduling, ready, async output =>
        {
            await FlushAsync(output, 0);
            roadblock.Block();
            await FlushAsync(output, Messages);
        });
        using var opening = roadblock;
        using var receiver = await server.ConnectAsync();
        await receiver.SendAsync("r");
        await ready.WaitAsync().DefaultTimeout();
        using var sender = await server.ConnectAsync();
        await sender.SendAsync("s");

        Pattern.AssertMatches(await receiver.ReceiveExactlyAsync(Messages * Length));

        roadblock.Open();
        Pattern.AssertMatches(await receiver.ReceiveExactlyAsync(Messages * Length), offset: Messages * Length);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task What_is_flushed_after_the_loop_was_lost_arrives_although_the_callback_blocks_again(
        ApplicationScheduling scheduling)
    {
        using var first = new Roadblock();
        using var second = new Roadblock();
        using var ready = new SemaphoreSlim(0);
        await using var server = await StartAsync(scheduling, ready, async output =>
        {
            first.Block();
            await FlushAsync(output, 0);
            second.Block();
        });
        using var opening = first;
        using var openingToo = second;
        using var receiver = await server.ConnectAsync();
        await receiver.SendAsync("r");
        await ready.WaitAsync().DefaultTimeout();
        using var sender = await server.ConnectAsync();
        await sender.SendAsync("s");
        await first.UntilArrivedAsync(1);

        // Long enough for the loop to be taken away; if it is not, the test is only weaker.
        await Task.Delay(100);
        first.Open();

        Pattern.AssertMatches(await receiver.ReceiveExactlyAsync(Messages * Length));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_flush_waits_for_the_end_of_the_callback(ApplicationScheduling scheduling)
    {
        var unsent = new ConcurrentQueue<long>();
        using var ready = new SemaphoreSlim(0);
        await using var server = await StartAsync(scheduling, ready, async output =>
        {
            output.Write(Pattern.Create(Length));
            await output.FlushAsync();
            unsent.Enqueue(((ConnectionOutput)output).Unsent);
        });
        using var receiver = await server.ConnectAsync();
        using var sender = await server.ConnectAsync();

        // The supervisor may send sooner, on a slow machine.
        await Poll.UntilAsync(async () =>
        {
            // A flush that answers input would be sent at once.
            await receiver.SendAsync("r");
            await ready.WaitAsync().DefaultTimeout();
            await sender.SendAsync("s");
            Pattern.AssertMatches(await receiver.ReceiveExactlyAsync(Length));
            return unsent.Contains(Length);
        });
    }

    /// <summary>As with the callback's own connection: a relay may not return while more comes.</summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_flush_goes_out_when_the_callback_has_read_all(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var other = await transport.ConnectAsync();
        var (connection, peer) = await transport.ConnectAsync();
        var unsent = Task.Run(async () =>
        {
            var input = connection.Transport.Input;
            var result = await input.ReadAsync();
            input.AdvanceTo(result.Buffer.End);
            await other.Output.WriteAsync("?"u8.ToArray());
            Assert.False(input.TryRead(out _));
            return ((ConnectionOutput)other.Output).Unsent;
        });

        await peer.SendAsync("!");

        Assert.Equal(0, await unsent.DefaultTimeout());
    }

    /// <summary>Its answer may be waited for, by a handler that blocks.</summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_request_of_a_client_does_not_wait_for_the_end_of_the_callback(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var dialed = await transport.DialAsync();
        var (connection, peer) = await transport.ConnectAsync();
        var unsent = Task.Run(async () =>
        {
            var result = await connection.Transport.Input.ReadAsync();
            connection.Transport.Input.AdvanceTo(result.Buffer.End);
            await dialed.Output.WriteAsync("?"u8.ToArray());
            return ((ConnectionOutput)dialed.Output).Unsent;
        });

        await peer.SendAsync("!");

        Assert.Equal(0, await unsent.DefaultTimeout());
    }

    private static async Task FlushAsync(PipeWriter output, int from)
    {
        for (var i = from; i < from + Messages; i++)
        {
            output.Write(Pattern.Create(Length, offset: i * Length));
            await output.FlushAsync();
        }
    }

    /// <summary>
    /// "r" makes a connection the receiver and releases the semaphore, "s" lets its own callback send to the receiver.
    /// </summary>
    private static Task<TestServer> StartAsync(
        ApplicationScheduling scheduling, SemaphoreSlim ready, Func<PipeWriter, Task> sendAsync)
    {
        PipeWriter? receiver = null;
        return TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Transport = static options => options.EventLoopCount = 1,
            Connection = async connection =>
            {
                var input = connection.Transport.Input;
                for (var result = await input.ReadAsync(); !result.IsCompleted; result = await input.ReadAsync())
                {
                    var isReceiver = result.Buffer.FirstSpan[0] == 'r';
                    input.AdvanceTo(result.Buffer.End);
                    if (isReceiver)
                    {
                        receiver = connection.Transport.Output;
                        ready.Release();
                    }
                    else
                    {
                        await sendAsync(receiver!);
                    }
                }
            },
        });
    }
}
