using System.Diagnostics;
using System.Text.RegularExpressions;
using KestrelEventLoopTransport.Listening;
using KestrelEventLoopTransport.Tests.Balancing;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Listening;

[Trait("Contract", "11")]
[Slow]
public sealed partial class OutOfDescriptorsTests
{
    [Fact]
    public Task A_server_without_free_descriptors_serves_on_and_recovers()
        => ChildProcess.RunAsync(typeof(OutOfDescriptorsTests), nameof(Serves_on_and_recovers_in_a_process_of_its_own));

    [Fact]
    [FailsOnStock("Stock spins and logs each failed accept.")]
    public Task A_server_without_free_descriptors_says_so_once()
        => ChildProcess.RunAsync(typeof(OutOfDescriptorsTests), nameof(Says_so_once_in_a_process_of_its_own));

    [Fact]
    [FailsOnStock("Stock logs each failed accept when descriptors run out.")]
    public Task A_server_at_its_limit_floods_no_log()
        => ChildProcess.RunAsync(typeof(OutOfDescriptorsTests), nameof(Logs_no_flood_in_a_process_of_its_own));

    [Fact]
    [FailsOnStock("An internal class of ours.")]
    public void A_shortage_is_new_when_there_was_none_for_some_time()
    {
        var limiter = new ConnectionLimiter(null!, null);

        Assert.True(limiter.BeginShortage(0));
        Assert.False(limiter.BeginShortage(20_000));
        Assert.False(limiter.EndShortage(30_000));
        Assert.True(limiter.EndShortage(40_000));
        Assert.False(limiter.BeginShortage(50_000));
        Assert.True(limiter.EndShortage(60_000));
        Assert.True(limiter.BeginShortage(70_001));
    }

    [Theory(Explicit = true)]
    [MemberData(nameof(ModeData.WithSchedulings), MemberType = typeof(ModeData))]
    public async Task Serves_on_and_recovers_in_a_process_of_its_own(ApplicationScheduling scheduling, AcceptMode mode)
    {
        await Task.Factory.StartNew(DescriptorShortage.StartPoolThreads, TaskCreationOptions.LongRunning);
        await using var server = await StartAsync(scheduling, mode);
        var idle = ProcessState.Capture().Sockets;

        // A rehearsal, as whatever code is needed cannot be loaded from files later.
        await EpisodeAsync(server, idle, scarce: false);
        for (var i = 0; i < 2; i++)
        {
            await EpisodeAsync(server, idle);
        }
    }

    [Theory(Explicit = true)]
    [MemberData(nameof(ModeData.WithSchedulings), MemberType = typeof(ModeData))]
    public async Task Says_so_once_in_a_process_of_its_own(ApplicationScheduling scheduling, AcceptMode mode)
    {
        await Task.Factory.StartNew(DescriptorShortage.StartPoolThreads, TaskCreationOptions.LongRunning);
        await using var server = await StartAsync(scheduling, mode);
        var idle = ProcessState.Capture().Sockets;
        await EpisodeAsync(server, idle, scarce: false);
        await EpisodeAsync(server, idle);
        var before = server.Logs.Entries.Count;

        await EpisodeAsync(server, idle);

        // Lines that are about no connection: that the second one follows at once is not worth another warning.
        var lines = server.Logs.Entries.Skip(before)
            .Where(static entry => !ConnectionId().IsMatch(entry.Message))
            .ToList();
        Assert.True(lines.Count <= 1, $"{lines.Count} lines: {string.Join(Environment.NewLine, lines.Take(5))}");
        var warning = Assert.Single(server.Logs.Entries, static entry => entry.Level >= LogLevel.Warning);
        Assert.Contains("RLIMIT_NOFILE", warning.Message, StringComparison.Ordinal);
        await AssertSpinsNotAsync(server);
    }

    // A client that comes and goes at the limit makes a shortage of each connection.
    [Theory(Explicit = true)]
    [MemberData(nameof(ModeData.All), MemberType = typeof(ModeData))]
    public async Task Logs_no_flood_in_a_process_of_its_own(AcceptMode mode)
    {
        await Task.Factory.StartNew(DescriptorShortage.StartPoolThreads, TaskCreationOptions.LongRunning);
        await using var server = await StartAsync(ApplicationScheduling.Adaptive, mode);
        await EpisodeAsync(server, ProcessState.Capture().Sockets, scarce: false);
        var clients = Enumerable.Range(0, 30).Select(_ => RawClient.Create(server.EndPoint)).ToList();

        // One that closes only now would set a second descriptor free.
        await Poll.UntilAsync(() => server.Monitor.ConnectionCount == 0);
        using (new DescriptorShortage(free: 1))
        {
            foreach (var client in clients)
            {
                await client.Socket.ConnectAsync(server.EndPoint).DefaultTimeout();
                await Echo.RoundTripAsync(client);
                client.ShutdownSend();
                await client.ExpectFinAsync();
            }
        }

        Assert.Single(server.Logs.Entries, static entry => entry.Level >= LogLevel.Warning);
        Assert.True(server.Monitor.Endpoints[0].FailedAccepts >= clients.Count);
        clients.ForEach(static client => client.Dispose());
    }

    private static Task<TestServer> StartAsync(ApplicationScheduling scheduling, AcceptMode mode)
        => TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            Transport = options =>
            {
                options.EventLoopCount = 4;
                options.EndpointDefaults.AcceptMode = mode;

                // A standby thread that ends sets a descriptor free.
                options.Adaptive.StandbyIdleTime = TimeSpan.FromHours(1);
            },
        });

    private static async Task EpisodeAsync(TestServer server, int idle, bool scarce = true)
    {
        // A connection of an earlier episode that closes only now would set a descriptor free.
        await Poll.UntilAsync(() => ProcessState.Capture().Sockets <= idle);

        using var open = await server.ConnectAsync();
        await Echo.RoundTripAsync(open);
        var clients = Enumerable.Range(0, 5).Select(_ => RawClient.Create(server.EndPoint)).ToList();
        using (scarce ? new DescriptorShortage() : null)
        {
            // The kernel establishes them; nobody can accept them.
            foreach (var client in clients)
            {
                await client.Socket.ConnectAsync(server.EndPoint).DefaultTimeout();
                await client.SendAsync(Pattern.Create(100));
            }

            for (var i = 0; i < 50; i++)
            {
                await Echo.RoundTripAsync(open, 5000);
                await Task.Delay(5);
            }

            Assert.All(clients, client => Assert.True(!scarce || client.Socket.Available == 0));
        }

        foreach (var client in clients)
        {
            Pattern.AssertMatches(await client.ReceiveExactlyAsync(100));
            client.Dispose();
        }

        using var later = await server.ConnectAsync();
        await Echo.RoundTripAsync(later);
    }

    /// <summary>
    /// With clients that cannot be accepted and nothing else to do: all acceptors together try 100 times in a second. A
    /// server that tries on and on takes all of a processor.
    /// </summary>
    private static async Task AssertSpinsNotAsync(TestServer server)
    {
        var clients = Enumerable.Range(0, 10).Select(_ => RawClient.Create(server.EndPoint)).ToList();
        using (new DescriptorShortage())
        {
            foreach (var client in clients)
            {
                await client.Socket.ConnectAsync(server.EndPoint).DefaultTimeout();
            }

            var start = Stopwatch.GetTimestamp();
            var used = Environment.CpuUsage.TotalTime;
            var attempts = server.Monitor.Endpoints[0].FailedAccepts;
            await Task.Delay(TimeSpan.FromSeconds(1));
            attempts = server.Monitor.Endpoints[0].FailedAccepts - attempts;
            var share = (Environment.CpuUsage.TotalTime - used) / Stopwatch.GetElapsedTime(start);

            // Beside those: two of each acceptor that has only just begun.
            Assert.InRange(attempts, 1, (Stopwatch.GetElapsedTime(start).TotalMilliseconds / 10 * 1.2) + 20);
            Assert.True(share < 0.2, $"Without descriptors the server uses {share:P0} of a processor.");
        }

        clients.ForEach(static client => client.Dispose());
    }

    [GeneratedRegex("[0-9A-V]{13}")]
    private static partial Regex ConnectionId();
}
