using System.Diagnostics;
using System.Text.RegularExpressions;
using KestrelEventLoopTransport.Tests.Balancing;

namespace KestrelEventLoopTransport.Tests;

[Trait("Contract", "11")]
public sealed partial class OutOfDescriptorsTests
{
    [Fact]
    public Task A_server_without_free_descriptors_serves_on_and_recovers()
        => ChildProcess.RunAsync(typeof(OutOfDescriptorsTests), nameof(Serves_on_and_recovers_in_a_process_of_its_own));

    // Better than stock, which spins and logs each failed accept.
    [Fact]
    [Trait("Stock", "fails")]
    public Task A_server_without_free_descriptors_says_so_once()
        => ChildProcess.RunAsync(typeof(OutOfDescriptorsTests), nameof(Says_so_once_in_a_process_of_its_own));

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
        var attemptsBefore = server.State.Listeners[0].FailedAccepts;

        await EpisodeAsync(server, idle);

        // Lines that are about no connection: one for the beginning, and maybe one for the end.
        var lines = server.Logs.Entries.Skip(before)
            .Where(static entry => !ConnectionId().IsMatch(entry.Message))
            .ToList();
        Assert.True(lines.Count is 1 or 2, $"{lines.Count} lines: {string.Join(Environment.NewLine, lines.Take(5))}");

        // And did not burn a processor meanwhile: from 5 ms doubling to 1 s, a few attempts.
        var attempts = server.State.Listeners[0].FailedAccepts - attemptsBefore;
        Assert.InRange(attempts, 1, 100);
        var share = await MeasureProcessorShareAsync(server);
        Assert.True(share < 0.3, $"Without descriptors the server uses {share:P0} of a processor.");
    }

    private static Task<TestServer> StartAsync(ApplicationScheduling scheduling, AcceptMode mode)
        => TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            Transport = options =>
            {
                options.EventLoopCount = 4;
                options.AcceptMode = mode;
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

    /// <summary>With a client that cannot be accepted and nothing else to do. One that tries on and on would take all of it.</summary>
    private static async Task<double> MeasureProcessorShareAsync(TestServer server)
    {
        using var client = RawClient.Create(server.EndPoint);
        using var shortage = new DescriptorShortage();
        await client.Socket.ConnectAsync(server.EndPoint).DefaultTimeout();
        var start = Stopwatch.GetTimestamp();
        var used = Environment.CpuUsage.TotalTime;
        await Task.Delay(TimeSpan.FromSeconds(2));
        return (Environment.CpuUsage.TotalTime - used) / Stopwatch.GetElapsedTime(start);
    }

    [GeneratedRegex("[0-9A-V]{13}")]
    private static partial Regex ConnectionId();
}
