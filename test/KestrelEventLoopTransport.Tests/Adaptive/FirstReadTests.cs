using System.Collections.Concurrent;
using System.Diagnostics;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>
/// Kestrel starts a connection on the thread pool. Its first request must not be handled there, whenever it arrives:
/// a handler that blocks would keep one of the few threads that new connections start on.
/// </summary>
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock runs handlers on the thread pool, or inline and unprotected.")]
public sealed class FirstReadTests
{
    private const int Connections = 3000;
    private const int LongestDelay = 400;

    [Theory]
    [InlineData(ApplicationScheduling.Adaptive)]
    [InlineData(ApplicationScheduling.Inline)]
    public async Task It_goes_on_on_a_loop_whenever_the_bytes_arrive(ApplicationScheduling scheduling)
    {
        var threads = new ConcurrentBag<string>();
        await using var server = await TestServer.StartAsync(scheduling, async connection =>
        {
            var result = await connection.Transport.Input.ReadAsync();
            threads.Add(Thread.CurrentThread.Name ?? "no name");
            await connection.Transport.Output.WriteAsync(result.Buffer.First);
            connection.Transport.Input.AdvanceTo(result.Buffer.End);
        });
        var seed = Environment.TickCount;
        var random = new Random(seed);
        for (var i = 0; i < Connections; i++)
        {
            using var client = await server.ConnectAsync();
            Thread.SpinWait(random.Next(LongestDelay));
            await client.SendAsync("x");
            await client.ReceiveExactlyAsync(1);
        }

        var elsewhere = threads.Where(static thread => !thread.StartsWith("event-loop-", StringComparison.Ordinal))
            .ToList();
        Assert.True(
            elsewhere.Count == 0, $"Seed {seed}: {elsewhere.Count} on {string.Join(", ", elsewhere.Distinct())}");
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task It_completes_for_a_reader_that_only_looks_whether_it_has(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(scheduling, static async connection =>
        {
            var reading = connection.Transport.Input.ReadAsync();
            var start = Stopwatch.GetTimestamp();
            while (!reading.IsCompleted && Stopwatch.GetElapsedTime(start) < TaskTimeoutExtensions.Default)
            {
                Thread.Yield();
            }

            var result = await reading;
            await connection.Transport.Output.WriteAsync(result.Buffer.First);
            connection.Transport.Input.AdvanceTo(result.Buffer.End);
        });
        using var client = await server.ConnectAsync();

        await client.SendAsync("x");

        await client.ReceiveExactlyAsync(1);
    }
}
