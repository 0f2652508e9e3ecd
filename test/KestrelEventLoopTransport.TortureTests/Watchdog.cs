using System.Globalization;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>
/// Ends the wait for an episode in which nothing happens any more, and tells the state of everything.
/// </summary>
internal static class Watchdog
{
    /// <summary>How long nothing may happen. KESTREL_TEST_HANG_SECONDS shortens it while hunting a hang.</summary>
    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(
        int.TryParse(
            Environment.GetEnvironmentVariable("KESTREL_TEST_HANG_SECONDS"),
            CultureInfo.InvariantCulture,
            out var seconds) ? seconds : 30);

    /// <summary>False when the episode hangs or throws: the failure is then among its own.</summary>
    public static async Task<bool> WatchAsync(Episode episode, Task running)
    {
        while (true)
        {
            var before = episode.Progress;
            if (await Task.WhenAny(running, Task.Delay(Patience)) == running)
            {
                return await SucceedsAsync(episode, running);
            }

            if (episode.Progress == before)
            {
                episode.Fail($"Nothing has happened for {Patience.TotalSeconds} seconds.");
                return false;
            }
        }
    }

    /// <summary>Whatever an episode throws is told with its seed and state, as its other failures are.</summary>
    public static async Task<bool> SucceedsAsync(Episode episode, Task running)
    {
        try
        {
            await running;
            return true;
        }
        catch (Exception exception)
        {
            episode.Fail(exception.ToString());
            return false;
        }
    }
}
