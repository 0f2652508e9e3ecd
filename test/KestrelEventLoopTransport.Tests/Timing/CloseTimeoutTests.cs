using System.Diagnostics;
using System.Net.Sockets;
using KestrelEventLoopTransport.Connections;
using KestrelEventLoopTransport.Connections.Input;
using KestrelEventLoopTransport.Connections.Timing;
using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.Tests.Timers;
using KestrelEventLoopTransport.Tests.Writing;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Timing;

/// <summary>The limits at the end of a connection: <c>CloseTimeout</c> and <c>MaxConnectionLifetime</c>.</summary>
[Trait("Contract", "limits")]
[FailsOnStock("Stock has no limits.")]
public sealed class CloseTimeoutTests
{
    private static readonly TimeSpan _limit = TimeSpan.FromMilliseconds(50);

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_connection_that_closes_does_not_wait_for_ever_for_a_peer_that_takes_nothing(
        ApplicationScheduling scheduling)
    {
        await using var transport = Create(scheduling, static o => o.CloseTimeout = _limit);
        using var instruments = new LoopInstruments(transport.Services);
        await using var pair = await transport.ConnectAsync();
        _ = await BackPressureTests.WriteUntilPendingAsync(pair.Output, 16 * 1024);

        await pair.Connection.DisposeAsync().DefaultTimeout();

        await pair.Client.ExpectResetAsync();
        await Poll.UntilAsync(() => instruments.TimedOutConnections("close") == 1);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_connection_that_closes_sends_everything_to_a_peer_that_takes_it(
        ApplicationScheduling scheduling)
    {
        await using var transport = Create(scheduling, static o => o.CloseTimeout = TimeSpan.FromSeconds(30));
        await using var pair = await transport.ConnectAsync();
        var (written, _) = await BackPressureTests.WriteUntilPendingAsync(pair.Output, 16 * 1024);
        var dispose = pair.Connection.DisposeAsync();

        Assert.Equal(written, (await pair.Client.ReceiveToEndAsync()).Length);

        await dispose.DefaultTimeout();
        Assert.DoesNotContain(transport.Logs.Entries, static e => e.EventId == 25);
    }

    /// <summary>The time runs while the peer takes nothing, however long the rest takes.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_peer_that_takes_the_rest_slowly_gets_it_until_it_takes_nothing(bool isUnix)
    {
        var limit = TimeSpan.FromSeconds(1);
        using var path = isUnix ? new SocketPath() : null;
        await using var transport = Create(ApplicationScheduling.Adaptive, o =>
        {
            o.MaxWriteBufferSize = 4 << 20;
            o.CloseTimeout = limit;
        });
        using var instruments = new LoopInstruments(transport.Services);
        var listener = await transport.BindAsync(path is null ? null : new UnixDomainSocketEndPoint(path.Path));
        await using var pair = await transport.ConnectAsync(listener, static s => s.ReceiveBufferSize = 16 * 1024);
        _ = await BackPressureTests.WriteUntilPendingAsync(pair.Output, 16 * 1024);
        var output = ((StreamConnection)pair.Connection).Output;
        var dispose = pair.Connection.DisposeAsync();

        var pauses = new Pauses();
        while (pauses.Elapsed < 2.5 * limit)
        {
            await pair.Client.ReceiveExactlyAsync(8 * 1024);
            await Task.Delay(25);
            pauses.Note();
        }

        if (output.Unsent == 0 || HasTimedOut())
        {
            Assert.SkipWhen(pauses.Longest > limit / 4, $"This machine stopped for {pauses.Longest}.");
        }

        Assert.False(HasTimedOut());
        Assert.NotEqual(0, output.Unsent);

        // Now it takes nothing.
        await dispose.DefaultTimeout();
        await Poll.UntilAsync(() => instruments.TimedOutConnections("close") == 1);
        await Poll.UntilAsync(HasTimedOut);

        bool HasTimedOut() => transport.Logs.Entries.Any(static e => e.EventId == 25);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_end_of_life_aborts_a_connection_if_nobody_can_be_asked_to_close_it(
        ApplicationScheduling scheduling)
    {
        await using var transport = Create(scheduling, static o => o.MaxConnectionLifetime = _limit);
        await using var pair = await transport.ConnectAsync();

        await pair.Client.ExpectFinAsync();

        var exception = await Assert.ThrowsAsync<ConnectionAbortedException>(
            () => pair.Input.ReadAsync().DefaultTimeout());
        Assert.Contains("MaxConnectionLifetime", exception.Message, StringComparison.Ordinal);
    }

    /// <summary>This limit ends a connection on the thread pool, while the loop may run the same timer.</summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_deadline_that_passes_while_the_end_of_life_aborts_a_connection_does_not_stop_its_input(
        ApplicationScheduling scheduling)
    {
        StreamConnection? connection = null;
        bool? wasStopped = null;
        await using var transport = new TestTransport(new TestSettings
        {
            Scheduling = scheduling,
            Services = services => services.AddSingleton<ILoggerProvider>(new EventHook("ConnectionWriteFin", LetPass)),
        });
        await using var pair = await transport.ConnectAsync();
        connection = (StreamConnection)pair.Connection;
        pair.Connection.Features.Get<IConnectionDeadlineFeature>()!.ReadDeadline = DateTimeOffset.UtcNow + _limit;

        await Task.Run(() => connection.OnLimit(ConnectionLimit.MaxConnectionLifetime)).DefaultTimeout();

        Assert.False(wasStopped);
        await pair.Client.ExpectFinAsync();

        void LetPass()
        {
            var alarm = new Alarm(connection!.Loop);
            alarm.Set(LoopClock.After((long)(2 * _limit).TotalMilliseconds));
            alarm.Fired.DefaultTimeout().Wait();
            wasStopped = (connection.Input.Flags & InputFlags.Stopped) != 0;
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_end_of_life_first_asks_the_application(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Transport = static o => o.EndpointDefaults.MaxConnectionLifetime = _limit,
            Connection = static async connection =>
            {
                var life = connection.Features.Get<IConnectionLifetimeNotificationFeature>()!;
                var asked = life.ConnectionClosedRequested;
                var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                await using var registration = asked.UnsafeRegister(_ => done.TrySetResult(), null);
                await done.Task;
                await connection.Transport.Output.WriteAsync("bye"u8.ToArray());
            },
        });
        using var client = await server.ConnectAsync();

        Assert.Equal("bye", await client.ReceiveTextToEndAsync());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task An_application_that_does_not_close_is_aborted_after_the_close_timeout(
        ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Transport = static o =>
            {
                o.EndpointDefaults.MaxConnectionLifetime = _limit;
                o.EndpointDefaults.CloseTimeout = _limit;
            },
            Connection = static async connection =>
            {
                await Assert.ThrowsAsync<ConnectionAbortedException>(
                    () => connection.Transport.Input.ReadAsync().AsTask());
            },
        });
        using var client = await server.ConnectAsync();

        await client.ExpectFinAsync();
    }

    private static TestTransport Create(ApplicationScheduling scheduling, Action<EndpointOptions> configure)
        => new(scheduling, options => configure(options.EndpointDefaults));

    /// <summary>How long the test itself has paused.</summary>
    private sealed class Pauses
    {
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private TimeSpan _last;

        public TimeSpan Elapsed => _clock.Elapsed;

        public TimeSpan Longest { get; private set; }

        public void Note()
        {
            var pause = Elapsed - _last;
            _last = Elapsed;
            Longest = pause > Longest ? pause : Longest;
        }
    }
}
