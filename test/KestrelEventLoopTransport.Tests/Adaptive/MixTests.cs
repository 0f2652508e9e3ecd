using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>
/// Handlers that now and then sleep, compute, await or flush piecemeal, with the shortest threshold there is, so that
/// loops change hands all the time. KESTREL_STRESS_SEED and KESTREL_STRESS_SECONDS as for the other stress tests.
/// </summary>
[Collection(ProcessWide.Name)]
[Trait("Contract", "stress")]
[FailsOnStock("Stock runs handlers on the thread pool, or inline and unprotected.")]
[Slow]
public sealed class MixTests
{
    private const int Connections = 64;
    private const int Loops = 2;
    private const int MaxMessage = 20_000;
    private const int ThreadPoolGrowth = 50;

    [Theory]
    [InlineData(128)]
    [InlineData(Loops)]
    public async Task Every_byte_comes_back_while_loops_change_hands(int standbys)
    {
        var seed = FromEnvironment("KESTREL_STRESS_SEED") ?? Random.Shared.Next();
        var duration = TimeSpan.FromSeconds(FromEnvironment("KESTREL_STRESS_SECONDS") ?? 5);
        await RunAsync(seed, standbys, TimeSpan.FromSeconds(0.5));
        var start = ProcessState.Capture();

        await RunAsync(seed, standbys, duration);

        await Poll.UntilAsync(
            () => ProcessState.Capture().IsBackTo(start, ThreadPoolGrowth),
            () => $"Seed {seed}. At the start {start}, now {ProcessState.Capture()}.");
    }

    private static async Task RunAsync(int seed, int standbys, TimeSpan duration)
    {
        var handler = new MixHandler(seed);
        var errors = new ConcurrentQueue<string>();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            MinimumLevel = LogLevel.Warning,
            Connection = handler.RunAsync,
            Transport = options =>
            {
                options.EventLoopCount = Loops;
                options.Adaptive.HandOffThreshold = TimeSpan.FromMicroseconds(100);
                options.Adaptive.MaxStandbyThreads = standbys;
            },
        });
        var begin = Stopwatch.GetTimestamp();

        await Task.WhenAll(Enumerable.Range(0, Connections).Select(stream => Task.Run(() => WorkAsync(stream))));

        Assert.True(errors.IsEmpty, $"Seed {seed}: {string.Join(Environment.NewLine, errors.Take(5))}");
        Assert.True(handler.LoopThreads > Loops, $"Seed {seed}: no loop changed hands.");
        await server.StopAsync(TaskTimeoutExtensions.Default);
        await Poll.UntilAsync(
            () => server.Settings.Pools!.Outstanding == 0,
            () => $"Seed {seed}: {server.Settings.Pools!.Outstanding} blocks are missing.");
        Assert.DoesNotContain(
            server.Logs.Entries,
            static e => e.Category.StartsWith("KestrelEventLoopTransport", StringComparison.Ordinal));

        async Task WorkAsync(int stream)
        {
            var random = new Random(unchecked((seed * 397) + stream));
            try
            {
                while (Stopwatch.GetElapsedTime(begin) < duration && errors.IsEmpty)
                {
                    await UseConnectionAsync(server, random, stream);
                }
            }
            catch (Exception exception)
            {
                errors.Enqueue($"Connection {stream}: {exception}");
            }
        }
    }

    private static async Task UseConnectionAsync(TestServer server, Random random, int stream)
    {
        using var client = await server.ConnectAsync();
        var offset = 0L;
        for (var messages = random.Next(1, 60); messages > 0; messages--)
        {
            var length = random.Next(4) == 0 ? random.Next(1, MaxMessage) : random.Next(1, 300);
            var sending = client.SendAsync(Pattern.Create(length, stream, offset));
            Pattern.AssertMatches(await client.ReceiveExactlyAsync(length), stream, offset);
            await sending;
            offset += length;
        }

        client.ShutdownSend();
        await client.ExpectFinAsync();
    }

    private static int? FromEnvironment(string name)
        => int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var value)
            ? value
            : null;
}
