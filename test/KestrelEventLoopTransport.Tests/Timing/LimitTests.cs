using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.Sockets;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Tests.Writing;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Timing;

/// <summary>What happens to a connection that reaches a limit of its endpoint.</summary>
[Trait("Contract", "limits")]
[FailsOnStock("Stock has no limits.")]
public sealed class LimitTests
{
    private static readonly TimeSpan _limit = TimeSpan.FromMilliseconds(50);

    public static MatrixTheoryData<ApplicationScheduling, bool> Kinds => new(EveryScheduling.Values, [false, true]);

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task An_idle_connection_ends_with_FIN_and_says_why(ApplicationScheduling scheduling)
    {
        await using var transport = Create(scheduling, static o => o.IdleTimeout = _limit);
        using var instruments = new LoopInstruments(transport.Services);
        await using var pair = await transport.ConnectAsync();
        var read = ReadAsync(pair);

        await pair.Client.ExpectFinAsync();

        var exception = await Assert.ThrowsAsync<ConnectionAbortedException>(() => read.DefaultTimeout());
        var why = Assert.IsType<TimeoutException>(exception.InnerException).Message;
        Assert.Equal("IdleTimeout: nothing was sent or received for 00:00:00.0500000.", why);
        await Poll.UntilAsync(() => pair.Connection.ConnectionClosed.IsCancellationRequested);
        await Poll.UntilAsync(() => transport.Logs.Entries.Any(static e => e.EventId == 25));
        var entry = Assert.Single(transport.Logs.Entries, static e => e.EventId == 25);
        Assert.Equal(LogLevel.Debug, entry.Level);
        Assert.Contains(why, entry.Message, StringComparison.Ordinal);
        await Poll.UntilAsync(() => instruments.TimedOutConnections("idle") == 1);
        Assert.Equal(0, instruments.TimedOutConnections("lifetime"));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_connection_is_idle_from_the_moment_when_the_application_gets_it(
        ApplicationScheduling scheduling)
    {
        await using var transport = Create(scheduling, static o => o.IdleTimeout = _limit);
        var listener = await transport.BindAsync();
        using var client = await RawClient.ConnectAsync(listener.EndPoint);

        // Nobody reads the other one, which is younger.
        await using var other = await transport.ConnectAsync();
        await other.Client.ExpectFinAsync();
        await Poll.UntilAsync(() => transport.Logs.Entries.Any(static e => e.EventId == 25));
        Assert.Single(transport.Logs.Entries, static e => e.EventId == 25);

        await using var connection = await listener.AcceptAsync().DefaultTimeout();
        await client.ExpectFinAsync();
        await Assert.ThrowsAsync<ConnectionAbortedException>(
            () => connection!.Transport.Input.ReadAsync().DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_peer_that_has_finished_without_a_byte_is_answered_after_the_time_of_the_first_byte(
        ApplicationScheduling scheduling)
    {
        foreach (var allowsHalfClose in new[] { true, false })
        {
            await using var transport = Create(scheduling, o =>
            {
                o.FirstByteTimeout = TimeSpan.FromSeconds(2);
                o.AllowHalfClose = allowsHalfClose;
            });
            await using var pair = await transport.ConnectAsync();
            pair.Client.Socket.Shutdown(SocketShutdown.Send);
            Assert.True((await pair.Input.ReadAsync().DefaultTimeout()).IsCompleted);

            // The other one is younger.
            await using var other = await transport.ConnectAsync();
            await other.Client.ExpectFinAsync();

            await pair.Output.WriteAsync("answer"u8.ToArray()).DefaultTimeout();
            await pair.Connection.DisposeAsync().DefaultTimeout();
            Assert.Equal("answer", await pair.Client.ReceiveTextToEndAsync());
        }
    }

    // An edge comes when a third of the send buffer is free. So the limits have to see less than that.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_slow_peer_takes_counts_although_the_kernel_takes_nothing_more(bool isUnix)
    {
        using var path = isUnix ? new SocketPath() : null;
        await using var transport = Create(ApplicationScheduling.Adaptive, static o => o.SendBufferSize = 1 << 20);
        var listener = await transport.BindAsync(path is null ? null : new UnixDomainSocketEndPoint(path.Path));
        await using var pair = await transport.ConnectAsync(listener, static s => s.ReceiveBufferSize = 16 * 1024);
        _ = await BackPressureTests.WriteUntilPendingAsync(pair.Output, 16 * 1024);
        var connection = (StreamConnection)pair.Connection;
        var sent = connection.Output.Sent;
        var before = connection.Look().Sent;

        // Some acknowledgements take several receives.
        await Poll.UntilAsync(async () =>
        {
            await pair.Client.ReceiveExactlyAsync(8 * 1024);
            return connection.Look().Sent != before;
        });

        Assert.Equal(sent, connection.Output.Sent);
        Assert.NotEqual(0, connection.Output.Unsent);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_read_that_a_limit_ends_goes_on_after_the_callbacks_of_ConnectionClosed(
        ApplicationScheduling scheduling, bool isParked)
    {
        await using var transport = Create(scheduling, static o => o.IdleTimeout = _limit);
        await using var pair = await transport.ConnectAsync();
        var clock = Stopwatch.StartNew();
        using var proceed = new ManualResetEventSlim();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var read = isParked ? ReadAsync(pair) : null;
        var wasReading = false;
        var waited = false;
        await using var registration = pair.Connection.ConnectionClosed.UnsafeRegister(
            _ =>
            {
                // One that begins now waits too.
                read ??= ReadAsync(pair);
                wasReading = !read.IsCompleted;
                waited = clock.Elapsed > TimeSpan.FromSeconds(1);
                entered.TrySetResult();
                proceed.Wait();
            },
            null);
        await entered.Task.DefaultTimeout();
        try
        {
            Assert.True(wasReading || waited);

            // A callback that waits for the reader does not wait for ever.
            await Assert.ThrowsAsync<ConnectionAbortedException>(() => read!.DefaultTimeout());
        }
        finally
        {
            proceed.Set();
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_limit_ends_a_connection_whose_callbacks_have_run(
        ApplicationScheduling scheduling)
    {
        await using var transport = Create(scheduling, static o => o.IdleTimeout = _limit);
        await using var pair = await transport.ConnectAsync();
        pair.Client.ShutdownSend();
        await Poll.UntilAsync(() => pair.Connection.ConnectionClosed.IsCancellationRequested);

        await pair.Client.ExpectFinAsync();

        // It is logged when the peer may have seen the end.
        await Poll.UntilAsync(() => transport.Logs.Entries.Any(static e => e.EventId == 25));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_peer_that_sends_nothing_while_a_read_waits_is_idle(ApplicationScheduling scheduling)
    {
        await using var transport = Create(scheduling, static o => o.ReceiveIdleTimeout = _limit);
        await using var pair = await transport.ConnectAsync();
        await pair.Client.SendAsync("x");
        pair.Input.AdvanceTo((await pair.Input.ReadAsync().DefaultTimeout()).Buffer.End);

        // Not while the application does not read.
        await using var other = await transport.ConnectAsync();
        await WaitsForNothingAsync(other);
        Assert.False(pair.Connection.ConnectionClosed.IsCancellationRequested);

        await WaitsForNothingAsync(pair);

        static async Task WaitsForNothingAsync(ConnectedPair pair)
        {
            var exception = await Assert.ThrowsAsync<ConnectionAbortedException>(
                () => pair.Input.ReadAsync().DefaultTimeout());
            Assert.Contains("ReceiveIdleTimeout", exception.Message, StringComparison.Ordinal);
            await pair.Client.ExpectFinAsync();
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_peer_that_takes_nothing_is_stalled_and_gets_RST(ApplicationScheduling scheduling)
    {
        await using var transport = Create(scheduling, static o => o.SendStallTimeout = _limit);
        await using var pair = await transport.ConnectAsync();

        await WriteUntilEndedAsync(pair.Output);

        await pair.Client.ExpectResetAsync();
        var exception = await Assert.ThrowsAsync<ConnectionAbortedException>(
            () => pair.Input.ReadAsync().DefaultTimeout());
        Assert.Contains("SendStallTimeout", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_peer_that_takes_everything_is_never_stalled_however_long_the_response(
        ApplicationScheduling scheduling)
    {
        const int Length = 8_000_000;
        await using var transport = Create(scheduling, static o => o.SendStallTimeout = TimeSpan.FromSeconds(30));
        await using var pair = await transport.ConnectAsync();

        var receive = pair.Client.ReceiveExactlyAsync(Length);
        await pair.Output.WriteAsync(Pattern.Create(Length)).DefaultTimeout();

        Pattern.AssertMatches(await receive, 0, 0);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_client_that_sends_no_first_byte_is_closed_and_one_that_has_is_not(
        ApplicationScheduling scheduling)
    {
        await using var transport = Create(scheduling, static o => o.FirstByteTimeout = TimeSpan.FromSeconds(2));
        await using var quick = await transport.ConnectAsync();
        await quick.Client.SendAsync("x");
        await using var slow = await transport.ConnectAsync();

        // The quick one's byte lies in the kernel or is held: nobody reads it.
        await slow.Client.ExpectFinAsync();

        Assert.Equal(1, (await quick.Input.ReadAsync().DefaultTimeout()).Buffer.Length);
        var exception = await Assert.ThrowsAsync<ConnectionAbortedException>(
            () => slow.Input.ReadAsync().DefaultTimeout());
        Assert.Contains("FirstByteTimeout", exception.Message, StringComparison.Ordinal);
    }

    // The loop's thread is blocked, and its successor runs the timers. Inline has no successor.
    [Theory]
    [InlineData(ApplicationScheduling.Adaptive)]
    [InlineData(ApplicationScheduling.ThreadPool)]
    public async Task A_limit_is_reached_while_the_handler_blocks(ApplicationScheduling scheduling)
    {
        using var blocked = new ManualResetEventSlim();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Transport = static o =>
            {
                o.EventLoopCount = 1;
                o.EndpointDefaults.IdleTimeout = _limit;
            },
            Connection = async connection =>
            {
                _ = await connection.Transport.Input.ReadAsync();
                blocked.Wait();
            },
        });
        try
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync("x");

            // The byte is not consumed.
            await client.ReceiveUntilGoneAsync();
        }
        finally
        {
            blocked.Set();
        }

        await Poll.UntilAsync(() => server.Logs.Entries.Count(static e => e.EventId == 25) == 1);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task FinOnError_turns_the_RST_of_a_limit_into_a_FIN(ApplicationScheduling scheduling)
    {
        await using var transport = Create(scheduling, static o =>
        {
            o.SendStallTimeout = _limit;
            o.FinOnError = true;
        });
        await using var pair = await transport.ConnectAsync();

        var written = await WriteUntilEndedAsync(pair.Output);

        Assert.InRange((await pair.Client.ReceiveToEndAsync()).Length, 1, written - 1);
    }

    [Fact]
    public async Task Thousands_of_idle_connections_all_end()
    {
        const int Connections = 2000;
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Transport = static o => o.EndpointDefaults.IdleTimeout = TimeSpan.FromSeconds(1),
            Connection = static async connection =>
            {
                try
                {
                    _ = await connection.Transport.Input.ReadAsync();
                }
                catch (ConnectionAbortedException)
                {
                }
            },
        });
        var before = Environment.CpuUsage.TotalTime;
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var clients = new Socket[Connections];
        try
        {
            for (var i = 0; i < Connections; i++)
            {
                clients[i] = (await server.ConnectAsync()).Socket;
            }

            var connected = clock.Elapsed;
            var buffer = new byte[1];
            foreach (var client in clients)
            {
                Assert.Equal(0, await client.ReceiveAsync(buffer).DefaultTimeout());
            }

            TestContext.Current.TestOutputHelper?.WriteLine(
                $"connected after {connected}, all closed after {clock.Elapsed}, "
                    + $"CPU {Environment.CpuUsage.TotalTime - before}");
        }
        finally
        {
            Array.ForEach(clients, static client => client?.Dispose());
        }

        await Poll.UntilAsync(() => server.Monitor.ConnectionCount == 0);
        await Poll.UntilAsync(() => server.Logs.Entries.Count(static e => e.EventId == 25) == Connections);
    }

    /// <summary>Reads. A limit that was faster fails the task too, and does not throw here.</summary>
    private static async Task<ReadResult> ReadAsync(ConnectedPair pair) => await pair.Input.ReadAsync();

    private static async Task<long> WriteUntilEndedAsync(PipeWriter output)
    {
        var written = 0L;
        FlushResult result;
        do
        {
            result = await output.WriteAsync(new byte[16 * 1024]).DefaultTimeout();
            written += 16 * 1024;
        }
        while (!result.IsCompleted);

        return written;
    }

    private static TestTransport Create(ApplicationScheduling scheduling, Action<EndpointOptions> configure)
        => new(scheduling, options => configure(options.EndpointDefaults));
}
