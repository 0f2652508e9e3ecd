using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Reading;

/// <summary>
/// Handlers that poll with TryRead and keep their thread meanwhile: they see bytes, the end, a cancellation and an
/// abort.
/// </summary>
[Trait("Contract", "28")]
[Trait("Contract", "29")]
public sealed class PolledReaderTests
{
    // So many vain looks come before what there is to see.
    private const int VainLooks = 100;

    public static TheoryData<ApplicationScheduling> OffTheLoop
        => [ApplicationScheduling.Adaptive, ApplicationScheduling.ThreadPool];

    [Theory]
    [MemberData(nameof(OffTheLoop))]
    public Task It_sees_bytes(ApplicationScheduling scheduling) => AssertSeesBytesAsync(scheduling);

    [Theory]
    [MemberData(nameof(OffTheLoop))]
    public Task It_sees_bytes_behind_those_that_it_looks_at_again(ApplicationScheduling scheduling)
        => AssertSeesBytesBehindOldOnesAsync(scheduling);

    [Theory]
    [MemberData(nameof(OffTheLoop))]
    public Task It_sees_the_end(ApplicationScheduling scheduling) => AssertSeesTheEndAsync(scheduling);

    [Theory]
    [MemberData(nameof(OffTheLoop))]
    public Task It_sees_a_cancellation(ApplicationScheduling scheduling) => AssertSeesACancellationAsync(scheduling);

    [Theory]
    [MemberData(nameof(OffTheLoop))]
    [Trait("Contract", "18")]
    public Task It_sees_the_reset_of_its_peer(ApplicationScheduling scheduling) => AssertSeesAResetAsync(scheduling);

    [Theory]
    [MemberData(nameof(OffTheLoop))]
    [Trait("Contract", "21")]
    public Task It_sees_an_abort(ApplicationScheduling scheduling) => AssertSeesAnAbortAsync(scheduling);

    [Theory]
    [MemberData(nameof(OffTheLoop))]
    [Trait("Contract", "24")]
    public Task A_stop_ends_it(ApplicationScheduling scheduling) => AssertIsStoppedAsync(scheduling);

    // Better than stock, where a handler that polls inline keeps the thread that would receive.
    [Fact]
    [FailsOnStock("A reader that polls inline keeps the thread on which stock would receive.")]
    public async Task Inline_it_sees_all_of_these_too()
    {
        await AssertSeesBytesAsync(ApplicationScheduling.Inline);
        await AssertSeesBytesBehindOldOnesAsync(ApplicationScheduling.Inline);
        await AssertSeesTheEndAsync(ApplicationScheduling.Inline);
        await AssertSeesACancellationAsync(ApplicationScheduling.Inline);
        await AssertSeesAResetAsync(ApplicationScheduling.Inline);
        await AssertSeesAnAbortAsync(ApplicationScheduling.Inline);
        await AssertIsStoppedAsync(ApplicationScheduling.Inline);
    }

    private static async Task AssertSeesBytesAsync(ApplicationScheduling scheduling)
    {
        var result = await PollWhileAsync(scheduling, static (client, _) => client.SendAsync(Pattern.Create(10)));

        Assert.Equal(Pattern.Create(10), result.Bytes);
        Assert.False(result.IsCompleted);
        Assert.False(result.IsCanceled);
    }

    private static async Task AssertSeesBytesBehindOldOnesAsync(ApplicationScheduling scheduling)
    {
        var result = await PollWhileAsync(
            scheduling, static (client, _) => client.SendAsync(Pattern.Create(10)), looksAgain: true);

        Assert.Equal([(byte)'x', .. Pattern.Create(10)], result.Bytes);
    }

    private static async Task AssertSeesTheEndAsync(ApplicationScheduling scheduling)
    {
        var result = await PollWhileAsync(scheduling, static (client, _) =>
        {
            client.ShutdownSend();
            return Task.CompletedTask;
        });

        Assert.Empty(result.Bytes);
        Assert.True(result.IsCompleted);
    }

    private static async Task AssertSeesACancellationAsync(ApplicationScheduling scheduling)
    {
        var result = await PollWhileAsync(scheduling, static (_, connection) =>
        {
            connection.Transport.Input.CancelPendingRead();
            return Task.CompletedTask;
        });

        Assert.Empty(result.Bytes);
        Assert.True(result.IsCanceled);
    }

    private static async Task AssertSeesAResetAsync(ApplicationScheduling scheduling)
        => await Assert.ThrowsAsync<ConnectionResetException>(() => PollWhileAsync(scheduling, static (client, _) =>
        {
            client.Reset();
            return Task.CompletedTask;
        }));

    private static async Task AssertSeesAnAbortAsync(ApplicationScheduling scheduling)
    {
        var reason = new ConnectionAbortedException("because");

        var exception = await Assert.ThrowsAsync<ConnectionAbortedException>(
            () => PollWhileAsync(scheduling, (_, connection) =>
        {
            connection.Abort(reason);
            return Task.CompletedTask;
        }));

        Assert.Same(reason, exception);
    }

    private static async Task AssertIsStoppedAsync(ApplicationScheduling scheduling)
    {
        var polling = Signal.New();
        var outcome = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await TestServer.StartAsync(scheduling, async connection =>
        {
            await ReadGreetingAsync(connection.Transport.Input);
            outcome.SetResult(await Record.ExceptionAsync(() => SeeAsync(connection.Transport.Input, polling)));
        });
        using var client = await server.ConnectAsync();
        await client.SendAsync("x");
        await polling.Task.DefaultTimeout();

        await server.StopAsync();

        Assert.IsType<ConnectionAbortedException>(await outcome.Task.DefaultTimeout());
    }

    /// <summary>
    /// What a handler that polls sees when <paramref name="action"/> is done to it after a while of nothing.
    /// </summary>
    private static async Task<Seen> PollWhileAsync(
        ApplicationScheduling scheduling,
        Func<RawClient, ConnectionContext, Task> action,
        bool looksAgain = false)
    {
        var polling = Signal.New();
        var seen = new TaskCompletionSource<Seen>(TaskCreationOptions.RunContinuationsAsynchronously);
        ConnectionContext? context = null;
        await using var server = await TestServer.StartAsync(scheduling, async connection =>
        {
            context = connection;
            try
            {
                // It runs where the scheduling runs the application.
                await ReadGreetingAsync(connection.Transport.Input, looksAgain);
                seen.SetResult(await SeeAsync(connection.Transport.Input, polling, old: looksAgain ? 1 : 0));
            }
            catch (Exception exception)
            {
                seen.SetException(exception);
            }
        });
        using var client = await server.ConnectAsync();
        await client.SendAsync("x");
        await polling.Task.DefaultTimeout();
        await action(client, context!);
        return await seen.Task.DefaultTimeout();
    }

    private static async Task ReadGreetingAsync(PipeReader input, bool looksAgain = false)
    {
        var result = await input.ReadAsync();
        if (!looksAgain)
        {
            input.AdvanceTo(result.Buffer.GetPosition(1));
            return;
        }

        // It has been examined, and then it has not.
        input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        input.CancelPendingRead();
        input.AdvanceTo((await input.ReadAsync()).Buffer.Start);
    }

    private static Task<Seen> SeeAsync(PipeReader input, TaskCompletionSource polling, int old = 0)
    {
        try
        {
            var start = Stopwatch.GetTimestamp();
            for (var looks = 0; ; looks++)
            {
                if (input.TryRead(out var result))
                {
                    var seen = new Seen(result.Buffer.ToArray(), result.IsCompleted, result.IsCanceled);
                    if (seen.Bytes.Length > old || seen.IsCompleted || seen.IsCanceled)
                    {
                        input.AdvanceTo(result.Buffer.End);
                        return Task.FromResult(seen);
                    }

                    input.AdvanceTo(result.Buffer.Start);
                }

                if (looks == VainLooks)
                {
                    polling.TrySetResult();
                }

                // As such handlers wait. Nobody else ends it if it never sees anything.
                Thread.Sleep(1);
                if (Stopwatch.GetElapsedTime(start) > TaskTimeoutExtensions.Default)
                {
                    throw new TimeoutException($"Nothing seen by {looks} looks.");
                }
            }
        }
        catch (Exception exception)
        {
            return Task.FromException<Seen>(exception);
        }
    }

    private sealed record Seen(byte[] Bytes, bool IsCompleted, bool IsCanceled);
}
