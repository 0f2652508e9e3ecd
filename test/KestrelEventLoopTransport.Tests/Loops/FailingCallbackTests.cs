using System.Net.Sockets;
using KestrelEventLoopTransport.Tests.Timers;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Loops;

/// <summary>
/// Code that is no async method may throw at whoever completes what it awaits. On a loop and on the thread pool alike
/// that is an Error in the log, and nothing ends.
/// </summary>
[Trait("Contract", "loops")]
[FailsOnStock("Loops of ours.")]
public sealed class FailingCallbackTests
{
    private const int Chunk = 64 * 1024;

    [Theory]
    [ClassData<EveryScheduling>]
    public Task After_a_read(ApplicationScheduling scheduling)
        => AssertLoggedAsync(scheduling, async pair =>
        {
            ThrowAfter(pair.Connection.Transport.Input.ReadAsync());
            await pair.Client.SendAsync("x");
        });

    [Theory]
    [ClassData<EveryScheduling>]
    public Task After_a_read_that_was_cancelled(ApplicationScheduling scheduling)
        => AssertLoggedAsync(scheduling, pair =>
        {
            ThrowAfter(pair.Connection.Transport.Input.ReadAsync());
            pair.Connection.Transport.Input.CancelPendingRead();
            return Task.CompletedTask;
        });

    [Theory]
    [ClassData<EveryScheduling>]
    public Task After_a_read_that_an_abort_ended(ApplicationScheduling scheduling)
        => AssertLoggedAsync(scheduling, pair =>
        {
            ThrowAfter(pair.Connection.Transport.Input.ReadAsync());
            pair.Connection.Abort(new ConnectionAbortedException("test"));
            return Task.CompletedTask;
        });

    [Theory]
    [ClassData<EveryScheduling>]
    public Task After_a_flush(ApplicationScheduling scheduling)
        => AssertLoggedAsync(scheduling, async pair =>
        {
            var written = 0;
            ValueTask<System.IO.Pipelines.FlushResult> flush;
            while (true)
            {
                written += Chunk;
                flush = pair.Connection.Transport.Output.WriteAsync(new byte[Chunk]);
                if (!flush.IsCompleted)
                {
                    // On a busy machine the kernel takes more a moment later.
                    await Task.Delay(100);
                }

                if (!flush.IsCompleted)
                {
                    break;
                }

                await flush;
            }

            ThrowAfter(flush);
            await pair.Client.ReceiveExactlyAsync(written);
        });

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task After_an_accept(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync();
        ConnectionContext? first = null;
        ThrowAfter(listener.AcceptAsync(), connection => first = connection);

        using var client = await RawClient.ConnectAsync(listener.EndPoint);

        await UntilLoggedAsync(transport);
        using var second = await RawClient.ConnectAsync(listener.EndPoint);
        await using var accepted = await listener.AcceptAsync().DefaultTimeout();
        Assert.NotNull(accepted);
        await first!.DisposeAsync().DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Work_of_a_loop_and_of_its_pool(ApplicationScheduling scheduling)
    {
        await using var subject = new LoopSubject(scheduling);

        for (var i = 0; i < 10; i++)
        {
            subject.Loop.Post(
                new WorkItem(static () => throw new InvalidOperationException("The test's work throws.")));
            subject.Loop.Callbacks.Post(
                new WorkItem(static () => throw new InvalidOperationException("The test's callback throws.")));
            new Alarm(subject.Loop, static _ => throw new InvalidOperationException("The test's timer throws.")).Set(0);
        }

        await subject.RunAsync(static () => { });
        var pooled = new WorkItem(static () => { });
        subject.Loop.Callbacks.Post(pooled);
        await pooled.Ran.DefaultTimeout();
    }

    private static async Task AssertLoggedAsync(ApplicationScheduling scheduling, Func<ConnectedPair, Task> act)
    {
        await using var transport = new TestTransport(scheduling, static options => options.EventLoopCount = 1);
        var (connection, client) = await transport.ConnectAsync();
        await Echo.RoundTripAsync(client, connection);

        await act(new ConnectedPair(connection, client));

        await UntilLoggedAsync(transport);
        var (other, otherClient) = await transport.ConnectAsync();
        await Echo.RoundTripAsync(otherClient, other);
    }

    private static void ThrowAfter<T>(ValueTask<T> task, Action<T>? keep = null)
    {
        var awaiter = task.GetAwaiter();
        Assert.False(awaiter.IsCompleted);
        awaiter.UnsafeOnCompleted(() =>
        {
            try
            {
                var result = awaiter.GetResult();
                keep?.Invoke(result);
            }
            catch (Exception exception) when (exception is ConnectionAbortedException or SocketException)
            {
                // How it ended does not matter.
            }

            throw new InvalidOperationException("The test's continuation throws.");
        });
    }

    private static Task UntilLoggedAsync(TestTransport transport)
        => Poll.UntilAsync(() => transport.Logs.Entries.Any(static entry
            => entry.EventId.Name == "CallbackFailed"
                && entry.Level == LogLevel.Error
                && entry.Exception is InvalidOperationException));
}
