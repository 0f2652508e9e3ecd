using System.Globalization;

namespace KestrelEventLoopTransport.Tests.Torture;

/// <summary>Ends the wait for an episode in which nothing happens any more, and tells the state of everything.</summary>
internal static class Watchdog
{
    /// <summary>How long nothing may happen. KESTREL_TEST_HANG_SECONDS shortens it while hunting a hang.</summary>
    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(
        int.TryParse(Environment.GetEnvironmentVariable("KESTREL_TEST_HANG_SECONDS"), CultureInfo.InvariantCulture, out var seconds) ? seconds : 30);

    /// <summary>False when the episode hangs: the failure is then among its own.</summary>
    public static async Task<bool> WatchAsync(Episode episode, Task running)
    {
        while (true)
        {
            var before = episode.Progress;
            if (await Task.WhenAny(running, Task.Delay(Patience)) == running)
            {
                await running;
                return true;
            }

            if (episode.Progress == before)
            {
                episode.Fail($"Nothing has happened for {Patience.TotalSeconds} seconds.");
                return false;
            }
        }
    }
}
