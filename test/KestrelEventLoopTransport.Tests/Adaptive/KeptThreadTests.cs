using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>
/// Application code that keeps a loop's thread after its connection has ended, while the server stops.
/// </summary>
[Collection(ProcessWide.Name)]
[Trait("Contract", "24")]
[FailsOnStock("Stock runs handlers on the thread pool, or inline and unprotected.")]
public sealed class KeptThreadTests
{
    private const int ThreadPoolGrowth = 20;

    public static TheoryData<ApplicationScheduling, bool> Cases
    {
        get
        {
            var data = new TheoryData<ApplicationScheduling, bool>();
            foreach (var scheduling in Enum.GetValues<ApplicationScheduling>())
            {
                data.Add(scheduling, true);
                data.Add(scheduling, false);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Stop_does_not_wait_for_it_and_closes_all_descriptors(
        ApplicationScheduling scheduling, bool computes)
    {
        await StopWhileKeptAsync(scheduling, computes);
        var start = ProcessState.Capture();

        var (roadblock, code) = await StopWhileKeptAsync(scheduling, computes, keepsOn: true);

        try
        {
            await Poll.UntilAsync(
                () => ProcessState.Capture().HasNoMoreDescriptorsThan(start),
                () => $"At the start {start}, now {ProcessState.Capture()}.");
            Assert.False(code.IsCompleted);
        }
        finally
        {
            roadblock.Open();
        }

        await code.DefaultTimeout();
        await Poll.UntilAsync(
            () => ProcessState.Capture().IsBackTo(start, ThreadPoolGrowth),
            () => $"At the start {start}, now {ProcessState.Capture()}.");
    }

    /// <summary>A stop that application code waits for on the loop's thread.</summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Stop_may_be_waited_for_by_the_code_itself(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling, static options => options.EventLoopCount = 1);
        var listener = await transport.BindAsync();
        var (connection, client) = await transport.ConnectAsync(listener);
        await Echo.RoundTripAsync(client, connection);
        var stopped = AfterReadAsync(connection, () =>
        {
            connection.Abort(new ConnectionAbortedException("test"));
            connection.DisposeAsync().AsTask().Wait(TaskTimeoutExtensions.Default);
            return listener.DisposeAsync().AsTask().Wait(TaskTimeoutExtensions.Default);
        });

        await client.SendAsync("x");

        Assert.True(await stopped.DefaultTimeout());
    }

    private static async Task<(Roadblock Roadblock, Task Code)> StopWhileKeptAsync(
        ApplicationScheduling scheduling, bool computes, bool keepsOn = false)
    {
        var roadblock = new Roadblock();
        await using var transport = new TestTransport(scheduling, static options => options.EventLoopCount = 2);
        var listener = await transport.BindAsync();
        var (connection, client) = await transport.ConnectAsync(listener);
        await Echo.RoundTripAsync(client, connection);
        var code = AfterReadAsync(connection, () =>
        {
            connection.Abort(new ConnectionAbortedException("test"));
            (computes ? (Action)roadblock.Compute : roadblock.Block)();
            return true;
        });
        try
        {
            await client.SendAsync("x");
            await roadblock.UntilArrivedAsync(1);
            await connection.DisposeAsync().DefaultTimeout();
            await listener.DisposeAsync().DefaultTimeout();
            Assert.False(code.IsCompleted);
        }
        finally
        {
            if (!keepsOn)
            {
                roadblock.Open();
            }
        }

        return (roadblock, code);
    }

    /// <summary>Runs code where the read completes.</summary>
    private static Task<bool> AfterReadAsync(ConnectionContext connection, Func<bool> code)
    {
        var ended = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = RunAsync();
        return ended.Task;

        async Task RunAsync()
        {
            try
            {
                await connection.Transport.Input.ReadAsync().ConfigureAwait(false);
                ended.SetResult(code());
            }
            catch (Exception exception)
            {
                ended.SetException(exception);
            }
        }
    }
}
