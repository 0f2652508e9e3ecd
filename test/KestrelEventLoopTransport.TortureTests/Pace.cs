using System.Diagnostics;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>How an end of a connection takes its time.</summary>
internal static class Pace
{
    /// <summary>
    /// Sometimes nothing, the back of a queue, a while; with <paramref name="blocks"/> also keeping the thread.
    /// </summary>
    public static async ValueTask PauseAsync(Random random, bool blocks)
    {
        switch (random.Next(40))
        {
            case 0:
                await Task.Delay(random.Next(4));
                break;
            case 1 or 2 or 3:
                await Task.Yield();
                break;
            case 4 when blocks:
                Thread.Sleep(random.Next(4));
                break;
            case 5 or 6 when blocks:
                Spin(TimeSpan.FromMicroseconds(random.Next(500)));
                break;
            default:
                break;
        }
    }

    /// <summary>Sizes around those that matter, and any.</summary>
    public static int ChunkSize(Random random)
        => random.Next(6) switch
        {
            0 => random.Next(1, 4),
            1 => random.Next(4090, 4102),
            2 => random.Next(1, 100_000),
            _ => random.Next(1, 6000),
        };

    private static void Spin(TimeSpan time)
    {
        var start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < time)
        {
        }
    }
}
