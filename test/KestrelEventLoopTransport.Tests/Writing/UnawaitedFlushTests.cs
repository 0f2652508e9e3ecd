// Flushes that nobody awaits are what is tested.
#pragma warning disable CA2012

using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Writing;

/// <summary>
/// Handlers that write without awaiting: a Pipe takes any number of flushes, and only awaiting two at once is an error.
/// </summary>
[Trait("Contract", "17")]
[Trait("Contract", "29")]
public sealed class UnawaitedFlushTests : WriterTests
{
    private const int Flushes = 2000;

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Thousands_of_small_flushes_are_taken_and_arrive_in_order(ApplicationScheduling scheduling)
    {
        var written = Signal.New();
        await using var server = await TestServer.StartAsync(scheduling, connection => RunAsync(written, async () =>
        {
            for (var i = 0; i < Flushes; i++)
            {
                _ = connection.Transport.Output.WriteAsync(Pattern.Create(2, 0, 2 * i));
            }

            await connection.Transport.Output.FlushAsync();
        }));
        using var client = await server.ConnectAsync();

        await written.Task.DefaultTimeout();

        Assert.Equal(Pattern.Create(2 * Flushes), await client.ReceiveToEndAsync());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Flushes_above_MaxWriteBufferSize_are_taken_and_arrive_in_order(ApplicationScheduling scheduling)
    {
        const int Chunk = 8 * 1024;
        var written = Signal.New();
        var flushed = Signal.New();
        await using var server = await TestServer.StartAsync(scheduling, async connection =>
        {
            await RunAsync(written, () =>
            {
                for (var i = 0; i < Flushes; i++)
                {
                    _ = connection.Transport.Output.WriteAsync(Pattern.Create(Chunk, 0, Chunk * i));
                }

                return Task.CompletedTask;
            });
            await RunAsync(flushed, async () => await connection.Transport.Output.FlushAsync());
        });
        using var client = await server.ConnectAsync(static socket => socket.ReceiveBufferSize = 32 * 1024);
        await written.Task.DefaultTimeout();
        Assert.False(flushed.Task.IsCompleted);

        var bytes = await client.ReceiveToEndAsync();

        await flushed.Task.DefaultTimeout();
        Assert.Equal(Chunk * Flushes, bytes.Length);
        Pattern.AssertMatches(bytes);
    }

    /// <summary>The thread that sent the last bytes runs the handler, and it does not come back.</summary>
    [Theory]
    [ClassData<EveryScheduling>]
    [FailsOnStock("With inline scheduling the handler keeps the thread that would send the FIN.")]
    public async Task A_completed_output_ends_although_the_handler_blocks_when_its_last_flush_completes(
        ApplicationScheduling scheduling)
    {
        const int Length = 8 * 1024 * 1024;
        using var roadblock = new ManualResetEventSlim();
        await using var server = await TestServer.StartAsync(scheduling, async connection =>
        {
            var flush = connection.Transport.Output.WriteAsync(Pattern.Create(Length));
            connection.Transport.Output.Complete();
            _ = await flush.ConfigureAwait(false);
            roadblock.Wait(TaskTimeoutExtensions.Default);
        });
        try
        {
            using var client = await server.ConnectAsync(static socket => socket.ReceiveBufferSize = 32 * 1024);

            var bytes = await client.ReceiveToEndAsync();

            Assert.Equal(Length, bytes.Length);
            Pattern.AssertMatches(bytes);
        }
        finally
        {
            roadblock.Set();
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_writer_that_does_not_await_and_one_that_does_take_turns(ApplicationScheduling scheduling)
    {
        const int Chunk = 64 * 1024;
        const int Rounds = 60;
        await using var server = await TestServer.StartAsync(scheduling, static async connection =>
        {
            var output = connection.Transport.Output;
            for (var i = 0; i < Rounds; i += 3)
            {
                _ = output.WriteAsync(Pattern.Create(Chunk, 0, Chunk * i));
                _ = output.WriteAsync(Pattern.Create(Chunk, 0, Chunk * (i + 1)));
                Assert.False((await output.WriteAsync(Pattern.Create(Chunk, 0, Chunk * (i + 2)))).IsCompleted);
            }
        });
        using var client = await server.ConnectAsync(static socket => socket.ReceiveBufferSize = 32 * 1024);

        var bytes = await client.ReceiveToEndAsync();

        Assert.Equal(Chunk * Rounds, bytes.Length);
        Pattern.AssertMatches(bytes);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    [Trait("Contract", "26")]
    public async Task One_of_several_pending_flushes_may_be_awaited(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        var written = WriteUntilFlushWaits(Writer);
        var ignored = Writer.FlushAsync();
        var awaited = Writer.FlushAsync();
        Assert.False(ignored.IsCompleted);
        Assert.False(awaited.IsCompleted);

        var flush = awaited.AsTask();
        Pattern.AssertMatches(await ReceiveAsync(written));

        Assert.False((await flush.DefaultTimeout()).IsCanceled);
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    [Trait("Contract", "26")]
    public async Task Awaiting_two_flushes_at_once_throws_from_the_second(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        WriteUntilFlushWaits(Writer);
        var first = Writer.FlushAsync();
        var second = Writer.FlushAsync();

        var awaited = first.AsTask();

        Assert.False(awaited.IsCompleted);
        await Assert.ThrowsAsync<InvalidOperationException>(() => second.DefaultTimeout());
    }

    [Theory]
    [ClassData<EverySchedulingAndPipe>]
    [Trait("Contract", "26")]
    public async Task A_flush_that_joins_one_that_nobody_awaits_has_its_own_token(ApplicationScheduling? scheduling)
    {
        await OpenAsync(scheduling);
        WriteUntilFlushWaits(Writer);
        using var cancellation = new CancellationTokenSource();
        var flush = Writer.FlushAsync(cancellation.Token).AsTask();
        Assert.False(flush.IsCompleted);

        cancellation.Cancel();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => flush.DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "26")]
    [FailsOnStock("Pipe tells the next flush that it was cancelled.")]
    public async Task The_token_of_a_flush_that_is_over_hits_no_later_one(ApplicationScheduling scheduling)
    {
        await OpenAsync(scheduling);
        var written = WriteUntilFlushWaits(Writer);
        using var cancellation = new CancellationTokenSource();
        var ignored = Writer.FlushAsync(cancellation.Token);
        await ReceiveAsync(written);
        await Poll.UntilAsync(() => ignored.IsCompleted);

        cancellation.Cancel();

        Assert.False((await Writer.FlushAsync().DefaultTimeout()).IsCanceled);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_reset_of_a_peer_is_harmless_to_flushes_that_nobody_awaits(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        for (var i = 0; i < Flushes; i++)
        {
            _ = pair.Output.WriteAsync(new byte[8 * 1024]);
        }

        pair.Client.Reset();

        await Poll.UntilAsync(async () => (await pair.Output.FlushAsync().DefaultTimeout()).IsCompleted);
    }

    [Fact]
    public Task No_misuse_of_a_connection_ends_the_process()
        => ChildProcess.RunAsync(typeof(UnawaitedFlushTests), nameof(Misuse_in_a_process_of_its_own));

    // An exception that nobody catches, on whatever thread, is the end of the process.
    [Theory(Explicit = true)]
    [ClassData<EveryScheduling>]
    public async Task Misuse_in_a_process_of_its_own(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(scheduling, static async connection =>
        {
            if (await IsEchoAsync(connection))
            {
                await Echo.RunAsync(connection);
                return;
            }

            // As fast as the peer drains it, and faster: each flush may find the one before pending, or just
            // completing.
            for (var i = 0; i < 500; i++)
            {
                try
                {
                    var flush = connection.Transport.Output.WriteAsync(new byte[8 * 1024]);
                    if (i % 3 == 0)
                    {
                        _ = AwaitAsync(flush);
                    }
                    else if (i % 50 == 1)
                    {
                        await Task.Yield();
                    }
                }
                catch (InvalidOperationException)
                {
                    // What such code does with an exception: nothing.
                }
            }
        });
        using var bystander = await server.ConnectAsync();
        await bystander.SendAsync("e");
        for (var i = 0; i < 20; i++)
        {
            using var client = await server.ConnectAsync(static socket => socket.ReceiveBufferSize = 32 * 1024);
            await client.SendAsync("m");
            await DrainAsync(client);
            await Echo.RoundTripAsync(bystander);
        }

        static async Task AwaitAsync(ValueTask<FlushResult> flush) => await flush;
    }

    private static async Task<bool> IsEchoAsync(ConnectionContext connection)
    {
        var result = await connection.Transport.Input.ReadAsync();
        var isEcho = result.Buffer.FirstSpan[0] == (byte)'e';
        connection.Transport.Input.AdvanceTo(result.Buffer.GetPosition(1));
        return isEcho;
    }

    // The misuse may well end the connection.
    private static async Task DrainAsync(RawClient client)
    {
        var buffer = new byte[32 * 1024];
        try
        {
            while (await client.Socket.ReceiveAsync(buffer).DefaultTimeout() > 0)
            {
            }
        }
        catch (System.Net.Sockets.SocketException)
        {
        }
    }

    /// <summary>
    /// Writes the pattern until a flush is pending, which takes more than the kernel holds; returns how much.
    /// </summary>
    private static int WriteUntilFlushWaits(PipeWriter writer)
    {
        const int Length = 16 * 1024 * 1024;
        var flush = writer.WriteAsync(Pattern.Create(Length));
        Assert.False(flush.IsCompleted);
        return Length;
    }

    private static async Task RunAsync(TaskCompletionSource done, Func<Task> action)
    {
        try
        {
            await action();
            done.SetResult();
        }
        catch (Exception exception)
        {
            done.SetException(exception);
        }
    }
}
