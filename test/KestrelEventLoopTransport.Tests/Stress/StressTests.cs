using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Stress;

/// <summary>
/// Random sizes, pauses and aborts from both ends on 200 connections at a time.
/// KESTREL_STRESS_SEED repeats the choices of a failed run, KESTREL_STRESS_SECONDS makes it longer.
/// </summary>
[Collection(ProcessWide.Name)]
[Slow]
public sealed class StressTests
{
    private const int Connections = 200;
    private const int ThreadPoolGrowth = 50;

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "stress")]
    public async Task Every_byte_arrives_where_it_belongs_and_nothing_is_left(ApplicationScheduling scheduling)
    {
        var seed = FromEnvironment("KESTREL_STRESS_SEED") ?? Random.Shared.Next();
        var duration = TimeSpan.FromSeconds(FromEnvironment("KESTREL_STRESS_SECONDS") ?? 8);
        await RunAsync(scheduling, seed, connections: 20, TimeSpan.FromSeconds(0.5));
        var start = ProcessState.Capture();

        await RunAsync(scheduling, seed, Connections, duration);

        await Poll.UntilAsync(
            () => ProcessState.Capture().IsBackTo(start, ThreadPoolGrowth),
            () => $"Seed {seed}. At the start {start}, now {ProcessState.Capture()}.");
    }

    private static async Task RunAsync(ApplicationScheduling scheduling, int seed, int connections, TimeSpan duration)
    {
        var handler = new StressHandler(seed);
        var errors = new ConcurrentQueue<string>();
        var streams = 0;
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = handler.RunAsync,
            MinimumLevel = LogLevel.Warning,
        });
        var start = Stopwatch.GetTimestamp();

        await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(WorkAsync)));
        Assert.True(
            errors.IsEmpty && handler.Errors.IsEmpty,
            $"Seed {seed}: {string.Join(Environment.NewLine, errors.Concat(handler.Errors).Take(5))}");
        Assert.True(streams >= connections);

        // Disposed here rather than at the end of the method, so that a missing block names the seed.
        await server.StopAsync(TaskTimeoutExtensions.Default);
        await Poll.UntilAsync(
            () => server.Settings.Pools!.Outstanding == 0,
            () => $"Seed {seed}: {server.Settings.Pools!.Outstanding} blocks are missing.");
        // Kestrel complains of a slow machine too.
        Assert.DoesNotContain(
            server.Logs.Entries, static e => e.Level >= LogLevel.Warning && e.EventId.Name != "HeartbeatSlow");

        async Task WorkAsync()
        {
            while (Stopwatch.GetElapsedTime(start) < duration && errors.IsEmpty && handler.Errors.IsEmpty)
            {
                var stream = Interlocked.Increment(ref streams);
                var random = StressPlan.Choices(seed, stream, end: 1);
                var plan = StressPlan.Create(random, stream);
                try
                {
                    await StressClient.RunAsync(server.EndPoint, plan, random);
                }
                catch (Exception exception)
                {
                    errors.Enqueue($"client: {plan}: {exception}");
                }
            }
        }
    }

    private static int? FromEnvironment(string name)
        => int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var value)
            ? value
            : null;
}
