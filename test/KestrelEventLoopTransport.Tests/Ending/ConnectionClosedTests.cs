using KestrelEventLoopTransport.Tests.Reading;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Ending;

[Trait("Contract", "20")]
public sealed class ConnectionClosedTests
{
    public enum Ending
    {
        Fin,
        Reset,
        AbortWithReason,
        AbortWithoutReason,
        Dispose,
    }

    public static MatrixTheoryData<ApplicationScheduling, Ending> Endings
        => new(EveryScheduling.Values, Enum.GetValues<Ending>());

    public static MatrixTheoryData<ApplicationScheduling, bool> PeerEndings
        => new(EveryScheduling.Values, [true, false]);

    [Theory]
    [MemberData(nameof(Endings))]
    public async Task It_fires_once_on_the_thread_pool_while_nobody_reads(
        ApplicationScheduling scheduling, Ending ending)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var fired = 0;
        var onThreadPool = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        pair.Connection.ConnectionClosed.Register(() =>
        {
            Interlocked.Increment(ref fired);
            onThreadPool.TrySetResult(Thread.CurrentThread.IsThreadPoolThread);
        });

        await EndAsync(pair, ending);

        Assert.True(await onThreadPool.Task.DefaultTimeout());
        await pair.Connection.DisposeAsync().DefaultTimeout();
        Assert.Equal(1, fired);
        Assert.True(pair.Connection.ConnectionClosed.IsCancellationRequested);
    }

    [Theory]
    [MemberData(nameof(Endings))]
    public async Task It_fires_while_a_read_is_pending(ApplicationScheduling scheduling, Ending ending)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var closed = Closed(pair.Connection);
        var read = pair.Input.ReadAsync().AsTask();

        await EndAsync(pair, ending);

        await closed.DefaultTimeout();
        await Record.ExceptionAsync(() => read.DefaultTimeout());
        Assert.True(read.IsCompleted);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task It_fires_while_data_in_front_of_the_FIN_is_unread_and_the_data_stays(
        ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var closed = Closed(pair.Connection);
        await pair.Client.SendAsync(Pattern.Create(50_000));
        pair.Client.ShutdownSend();

        await closed.DefaultTimeout();

        Assert.Equal(50_000, await ReaderOutcomeTests.ReadToEndAsync(pair.Input));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task It_does_not_fire_while_the_connection_lives(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var echo = Echo.RunAsync(pair.Connection);

        for (var i = 0; i < 20; i++)
        {
            await Echo.RoundTripAsync(pair.Client, 10_000);
        }

        Assert.False(pair.Connection.ConnectionClosed.IsCancellationRequested);
        pair.Client.ShutdownSend();
        await echo.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task DisposeAsync_waits_for_the_callbacks(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var started = Signal.New();
        using var release = new ManualResetEventSlim();
        var done = false;
        pair.Connection.ConnectionClosed.Register(() =>
        {
            started.SetResult();
            release.Wait(TaskTimeoutExtensions.Default);
            Volatile.Write(ref done, true);
        });
        pair.Client.ShutdownSend();
        await started.Task.DefaultTimeout();

        var dispose = pair.Connection.DisposeAsync().AsTask();
        var completedEarly = await Task.WhenAny(dispose, Task.Delay(50)) == dispose;
        release.Set();
        await dispose.DefaultTimeout();

        Assert.False(completedEarly);
        Assert.True(Volatile.Read(ref done));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_callback_that_throws_harms_nobody(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(scheduling, static connection =>
        {
            connection.ConnectionClosed.Register(static () => throw new InvalidOperationException("from a callback"));
            return Echo.RunAsync(connection);
        });
        using var first = await server.ConnectAsync();
        await Echo.RoundTripAsync(first);
        first.Reset();

        using var second = await server.ConnectAsync();
        await Echo.RoundTripAsync(second);
    }

    [Theory]
    [MemberData(nameof(PeerEndings))]
    public async Task RequestAborted_fires_during_a_long_request(ApplicationScheduling scheduling, bool reset)
    {
        var started = Signal.New();
        var aborted = Signal.New();
        await using var server = await TestServer.StartHttpAsync(scheduling, async http =>
        {
            http.RequestAborted.Register(aborted.SetResult);
            started.SetResult();
            await aborted.Task;
        });
        using var client = await server.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        await started.Task.DefaultTimeout();

        if (reset)
        {
            client.Reset();
        }
        else
        {
            client.Dispose();
        }

        await aborted.Task.DefaultTimeout();
    }

    private static Task Closed(ConnectionContext connection)
    {
        var closed = Signal.New();
        connection.ConnectionClosed.Register(() => closed.TrySetResult());
        return closed.Task;
    }

    private static async Task EndAsync(ConnectedPair pair, Ending ending)
    {
        switch (ending)
        {
            case Ending.Fin:
                pair.Client.ShutdownSend();
                break;
            case Ending.Reset:
                pair.Client.Reset();
                break;
            case Ending.AbortWithReason:
                pair.Connection.Abort(new ConnectionAbortedException("because"));
                break;
            case Ending.AbortWithoutReason:
                pair.Connection.Abort(null!);
                break;
            case Ending.Dispose:
                await pair.Connection.DisposeAsync().DefaultTimeout();
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(ending));
        }
    }
}
