using System.Net.Sockets;
using KestrelEventLoopTransport.Tests.Reading;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Ending;

/// <summary>A peer that has finished sending and is still answered, over TCP and over Unix sockets.</summary>
[Trait("Contract", "half-close")]
[FailsOnStock("Half-close is an option of ours.")]
public sealed class HalfCloseTests
{
    private const int Large = 10 * 1024 * 1024;

    public static MatrixTheoryData<ApplicationScheduling, bool> Kinds => new(EveryScheduling.Values, [false, true]);

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_FIN_ends_the_input_and_nothing_else(ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix);
        var (connection, client) = server.Pair;
        var finished = FiresOnPool(server.HalfClose.PeerFinished);
        await client.SendAsync(Pattern.Create(50_000));
        client.ShutdownSend();

        Assert.Equal(50_000, await ReaderOutcomeTests.ReadToEndAsync(server.Pair.Input));
        Assert.True(await finished.DefaultTimeout());
        var received = client.ReceiveToEndAsync();
        await Task.Run(() => WriteAsync(connection, Large));

        Assert.False(connection.ConnectionClosed.IsCancellationRequested);
        await connection.DisposeAsync().DefaultTimeout();
        Assert.True(connection.ConnectionClosed.IsCancellationRequested);
        var bytes = await received;
        Assert.Equal(Large, bytes.Length);
        Pattern.AssertMatches(bytes);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task The_FIN_is_noticed_while_nobody_reads(ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix);
        var finished = FiresOnPool(server.HalfClose.PeerFinished);
        await server.Pair.Client.SendAsync(Pattern.Create(50_000));
        server.Pair.Client.ShutdownSend();

        Assert.True(await finished.DefaultTimeout());

        Assert.False(server.Pair.Connection.ConnectionClosed.IsCancellationRequested);
        Assert.Equal(50_000, await ReaderOutcomeTests.ReadToEndAsync(server.Pair.Input));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task The_FIN_is_noticed_behind_a_full_buffer(ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(
            scheduling, isUnix, static endPoint => endPoint.MaxReadBufferSize = 10_000);
        var finished = FiresOnPool(server.HalfClose.PeerFinished);
        await server.Pair.Client.SendAsync(Pattern.Create(100_000));
        server.Pair.Client.ShutdownSend();

        Assert.True(await finished.DefaultTimeout());

        Assert.False(server.Pair.Connection.ConnectionClosed.IsCancellationRequested);
        Assert.Equal(100_000, await ReaderOutcomeTests.ReadToEndAsync(server.Pair.Input));
        Assert.False(server.Pair.Connection.ConnectionClosed.IsCancellationRequested);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task The_FIN_is_noticed_when_the_reader_is_completed(ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix);
        var finished = FiresOnPool(server.HalfClose.PeerFinished);
        server.Pair.Input.Complete();
        server.Pair.Client.ShutdownSend();

        Assert.True(await finished.DefaultTimeout());

        await server.Pair.Output.WriteAsync(Pattern.Create(100));
        Pattern.AssertMatches(await server.Pair.Client.ReceiveExactlyAsync(100));
        Assert.False(server.Pair.Connection.ConnectionClosed.IsCancellationRequested);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task FinishSending_sends_what_was_written_and_reading_goes_on(
        ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix, allows: false);
        var (connection, client) = server.Pair;
        var flush = server.Pair.Output.WriteAsync(Pattern.Create(Large)).AsTask();
        Pattern.Fill(server.Pair.Output.GetSpan(100)[..100], 0, Large);
        server.Pair.Output.Advance(100);
        Assert.False(flush.IsCompleted);

        server.HalfClose.FinishSending();

        var bytes = await client.ReceiveToEndAsync();
        Assert.Equal(Large + 100, bytes.Length);
        Pattern.AssertMatches(bytes);
        Assert.False((await flush.DefaultTimeout()).IsCompleted);
        Assert.False(connection.ConnectionClosed.IsCancellationRequested);
        var read = ReaderOutcomeTests.ReadToEndAsync(server.Pair.Input);
        await client.SendAsync(Pattern.Create(1_000_000));
        client.ShutdownSend();
        Assert.Equal(1_000_000, await read);
        await server.EndsAsync();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Bytes_go_both_ways_while_one_side_has_finished(ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix);
        var (connection, client) = server.Pair;
        var sent = client.SendAsync(Pattern.Create(Large, stream: 1));
        var received = client.ReceiveToEndAsync();

        await WriteAsync(connection, Large);
        server.HalfClose.FinishSending();

        var read = ReaderOutcomeTests.ReadToEndAsync(server.Pair.Input);
        Assert.Equal(Large, (await received).Length);
        await sent;
        client.ShutdownSend();
        Assert.Equal(Large, await read);
        await server.EndsAsync();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task FinishSending_inside_a_dispatch_sends_what_is_corked(
        ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix);
        var (connection, client) = server.Pair;
        var handler = AnswerAsync();
        await client.SendAsync("x");

        Pattern.AssertMatches(await client.ReceiveToEndAsync());
        await handler.DefaultTimeout();
        Assert.False(connection.ConnectionClosed.IsCancellationRequested);

        async Task AnswerAsync()
        {
            var result = await connection.Transport.Input.ReadAsync();
            connection.Transport.Input.AdvanceTo(result.Buffer.End);
            await connection.Transport.Output.WriteAsync(Pattern.Create(1000));
            server.HalfClose.FinishSending();
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Nothing_can_be_written_after_FinishSending(ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix);
        server.HalfClose.FinishSending();
        server.HalfClose.FinishSending();

        var output = server.Pair.Output;
        foreach (var write in new Action[]
        {
            () => output.GetMemory(),
            () => output.GetSpan(),
            () => output.FlushAsync().AsTask(),
            () => output.WriteAsync(new byte[1]).AsTask(),
        })
        {
            var exception = Assert.Throws<InvalidOperationException>(write);
            Assert.Equal("Writing is not allowed after FinishSending was called.", exception.Message);
        }

        await server.Pair.Client.ExpectFinAsync();
        output.Complete();
        server.HalfClose.FinishSending();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Both_sides_finish_at_once(ApplicationScheduling scheduling, bool isUnix)
    {
        for (var i = 0; i < 50; i++)
        {
            await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix);
            var (connection, client) = server.Pair;
            var finished = FiresOnPool(server.HalfClose.PeerFinished);
            var read = ReaderOutcomeTests.ReadToEndAsync(server.Pair.Input);
            var fin = Task.Run(client.ShutdownSend);
            server.HalfClose.FinishSending();

            await fin.DefaultTimeout();
            await client.ExpectFinAsync();
            Assert.Equal(0, await read);
            Assert.True(await finished.DefaultTimeout());
            await server.EndsAsync();
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_peer_that_goes_away_after_its_FIN_ends_the_connection(
        ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix);
        var (connection, client) = server.Pair;
        client.ShutdownSend();
        Assert.Equal(0, await ReaderOutcomeTests.ReadToEndAsync(server.Pair.Input));
        Assert.False(connection.ConnectionClosed.IsCancellationRequested);

        client.Reset();

        await server.EndsAsync();
        Assert.True((await server.Pair.Output.WriteAsync(new byte[100]).DefaultTimeout()).IsCompleted);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_peer_that_goes_away_after_its_FIN_ends_a_flush_that_waits(
        ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix);
        var (connection, client) = server.Pair;
        client.ShutdownSend();
        var flush = server.Pair.Output.WriteAsync(new byte[Large]).AsTask();
        await Canceled(server.HalfClose.PeerFinished);
        Assert.False(connection.ConnectionClosed.IsCancellationRequested);

        client.Reset();

        await Canceled(connection.ConnectionClosed);
        Assert.True((await flush.DefaultTimeout()).IsCompleted);
        await server.IsClosedAsync();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_peer_that_resets_after_our_FIN_is_not_taken_for_one_that_finishes(
        ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix);
        var (connection, client) = server.Pair;
        server.HalfClose.FinishSending();
        await client.ExpectFinAsync();
        var read = server.Pair.Input.ReadAsync().AsTask();

        client.Reset();

        if (isUnix)
        {
            Assert.True((await read.DefaultTimeout()).IsCompleted);
        }
        else
        {
            await Assert.ThrowsAsync<ConnectionResetException>(() => read.DefaultTimeout());
            Assert.False(server.HalfClose.PeerFinished.IsCancellationRequested);
        }

        await server.EndsAsync();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task An_abort_after_the_FIN_ends_the_connection(ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix);
        var (connection, client) = server.Pair;
        client.ShutdownSend();
        Assert.Equal(0, await ReaderOutcomeTests.ReadToEndAsync(server.Pair.Input));

        connection.Abort(new ConnectionAbortedException("Enough."));

        await Canceled(connection.ConnectionClosed);
        await (isUnix ? client.ExpectFinAsync() : client.ExpectResetAsync());
        await server.IsClosedAsync();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Without_the_option_both_tokens_fire_at_the_FIN(ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix, allows: false);
        Assert.False(server.HalfClose.IsAllowed);
        var finished = FiresOnPool(server.HalfClose.PeerFinished);

        server.Pair.Client.ShutdownSend();

        Assert.True(await finished.DefaultTimeout());
        await Canceled(server.Pair.Connection.ConnectionClosed);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_token_taken_after_the_FIN_has_fired(ApplicationScheduling scheduling, bool isUnix)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix);
        Assert.True(server.HalfClose.IsAllowed);
        server.Pair.Client.ShutdownSend();
        Assert.Equal(0, await ReaderOutcomeTests.ReadToEndAsync(server.Pair.Input));

        await Poll.UntilAsync(() => server.HalfClose.PeerFinished.IsCancellationRequested);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task DisposeAsync_waits_for_callbacks_and_their_exceptions_are_logged(ApplicationScheduling scheduling)
    {
        await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix: false);
        var started = Signal.New();
        using var release = new ManualResetEventSlim();
        var calls = 0;
        server.HalfClose.PeerFinished.Register(() =>
        {
            Interlocked.Increment(ref calls);
            started.SetResult();
            release.Wait(TaskTimeoutExtensions.Default);
            throw new NotSupportedException("Thrown by the test.");
        });
        server.Pair.Client.ShutdownSend();
        await started.Task.DefaultTimeout();

        var dispose = server.Pair.Connection.DisposeAsync().AsTask();
        await server.IsClosedAsync();
        await Canceled(server.Pair.Connection.ConnectionClosed);
        Assert.False(dispose.IsCompleted);
        release.Set();

        await dispose.DefaultTimeout();
        Assert.Equal(1, calls);
        var entry = Assert.Single(server.Logs, static entry => entry.Level >= LogLevel.Warning);
        Assert.Equal("PeerFinishedCallbackFailed", entry.EventId.Name);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Whatever_comes_together_the_connection_ends(ApplicationScheduling scheduling, bool isUnix)
    {
        var seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper?.WriteLine($"Seed {seed}");
        var random = new Random(seed);
        for (var i = 0; i < 60; i++)
        {
            await using var server = await HalfCloseServer.StartAsync(scheduling, isUnix, allows: random.Next(4) != 0);
            var (connection, client) = server.Pair;
            var read = Record.ExceptionAsync(() => ReaderOutcomeTests.ReadToEndAsync(server.Pair.Input));
            var fires = 0;
            server.HalfClose.PeerFinished.Register(() => Interlocked.Increment(ref fires));
            if (random.Next(2) == 0)
            {
                // Left unread by the client: the socket may be full.
                _ = server.Pair.Output.WriteAsync(new byte[random.Next(1_000_000)]).AsTask();
            }

            var aborts = random.Next(3) == 0;
            var resets = random.Next(2) == 0;
            await Task.WhenAll(
                Task.Run(server.HalfClose.FinishSending),
                Task.Run(() => client.Socket.Shutdown(SocketShutdown.Send)),
                Task.Run(() => AbortIf(aborts, connection))).DefaultTimeout();
            if (resets)
            {
                client.Reset();
            }
            else if (!aborts)
            {
                await client.ReceiveUntilGoneAsync();
            }

            await server.EndsAsync();
            await read.DefaultTimeout();
            await connection.DisposeAsync().DefaultTimeout();
            Assert.True(fires == 1 || (fires == 0 && (aborts || resets)), $"Seed {seed}, {fires} calls");
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_stop_ends_a_half_closed_connection_whose_handler_goes_on(ApplicationScheduling scheduling)
    {
        var finished = Signal.New();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Transport = static options => options.EndpointDefaults.AllowHalfClose = true,
            Connection = async connection =>
            {
                Assert.Equal(0, await ReaderOutcomeTests.ReadToEndAsync(connection.Transport.Input));
                var closed = Signal.New();
                await using var registration = connection.ConnectionClosed.Register(closed.SetResult);
                finished.SetResult();
                await closed.Task;
            },
        });
        using var client = await server.ConnectAsync();
        client.ShutdownSend();
        await finished.Task.DefaultTimeout();
        Assert.Equal(1, server.Monitor.ConnectionCount);

        await server.StopAsync();

        await client.ReceiveUntilGoneAsync();
        await Poll.UntilAsync(() => server.Monitor.ConnectionCount == 0);
    }

    private static void AbortIf(bool aborts, ConnectionContext connection)
    {
        if (aborts)
        {
            connection.Abort(new ConnectionAbortedException("The test aborts."));
        }
    }

    private static async Task WriteAsync(ConnectionContext connection, int length)
    {
        for (var written = 0; written < length;)
        {
            var n = Math.Min(70_001, length - written);
            var flush = await connection.Transport.Output.WriteAsync(Pattern.Create(n, 0, written)).DefaultTimeout();
            Assert.False(flush.IsCompleted);
            written += n;
        }
    }

    private static Task<bool> FiresOnPool(CancellationToken token)
    {
        var fired = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        token.Register(() => fired.SetResult(Thread.CurrentThread.IsThreadPoolThread));
        return fired.Task;
    }

    private static Task Canceled(CancellationToken token) => Poll.UntilAsync(() => token.IsCancellationRequested);
}
