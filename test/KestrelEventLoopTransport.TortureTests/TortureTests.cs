using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>
/// Episodes one after another, each with a seed of its own, on a libc that fails. KESTREL_TORTURE_SECONDS makes it
/// longer than the minute of a test run, KESTREL_TORTURE_SEED sets the first seed, KESTREL_TORTURE_EPISODES the
/// number of episodes: a failed episode is repeated by its seed and 1.
/// </summary>
[Collection(ProcessWide.Name)]
public sealed class TortureTests
{
    private const int DefaultSeconds = 60;

    // Collecting everything is slow: it is done after some episodes.
    private const int CollectEvery = 8;

    // By then every fault that there is has occurred.
    private static readonly TimeSpan _completeFrom = TimeSpan.FromMinutes(10);

    [Fact]
    [Trait("Contract", "torture")]
    public async Task Nothing_is_lost_left_or_stuck_whatever_system_calls_do()
    {
        var seed = FromEnvironment("KESTREL_TORTURE_SEED") ?? Random.Shared.Next(1_000_000_000);
        var most = FromEnvironment("KESTREL_TORTURE_EPISODES") ?? int.MaxValue;
        var duration = TimeSpan.FromSeconds(FromEnvironment("KESTREL_TORTURE_SECONDS") ?? DefaultSeconds);
        var start = Stopwatch.GetTimestamp();
        var totals = new Totals();
        Console.WriteLine($"Torture begins with seed {seed}.");
        for (var i = 0; i < most && (i == 0 || Stopwatch.GetElapsedTime(start) < duration || most < int.MaxValue); i++)
        {
            await RunAsync(new EpisodePlan(seed + i), totals, collect: i % CollectEvery == 0 || most == 1);
        }

        Console.WriteLine($"Torture from seed {seed}: {totals}");
        if (duration >= _completeFrom && most == int.MaxValue)
        {
            totals.AssertComplete();
        }
    }

    internal static async Task RunAsync(EpisodePlan plan, Totals totals, bool collect)
    {
        var episode = new Episode(plan);
        var start = Stopwatch.GetTimestamp();
        if (await Watchdog.WatchAsync(episode, Task.Run(episode.RunAsync)) && episode.Failures.Count == 0)
        {
            await Watchdog.SucceedsAsync(episode, episode.CheckLeftoversAsync(collect));
        }

        if (Environment.GetEnvironmentVariable("KESTREL_TORTURE_VERBOSE") is not null)
        {
            Console.WriteLine($"{Stopwatch.GetElapsedTime(start).TotalMilliseconds:F0} ms, {episode.Connections} "
                + $"connections, {episode.Bytes} bytes: {episode.Plan}");
        }

        totals.Add(episode);
        if (episode.Failures.Count != 0)
        {
            Assert.Fail($"Repeat with KESTREL_TORTURE_SEED={plan.Seed} "
                + $"KESTREL_TORTURE_EPISODES=1.{Environment.NewLine}{episode.Describe()}");
        }
    }

    private static int? FromEnvironment(string name)
        => int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var value)
            ? value
            : null;

    internal sealed class Totals
    {
        private readonly long[] _faults = new long[FaultyLibc.Names.Count];
        private int _episodes;
        private long _connections;
        private long _bytes;
        private long _handOffs;

        public void Add(Episode episode)
        {
            _episodes++;
            _connections += episode.Connections;
            _bytes += episode.Bytes;
            _handOffs += episode.HandOffs;
            var injected = FaultyLibc.Injected();
            for (var i = 0; i < injected.Length; i++)
            {
                _faults[i] += injected[i];
            }
        }

        /// <summary>A run that did not meet something has not shown that it can be borne.</summary>
        public void AssertComplete()
        {
            // Setting up happens once an episode, and its shortages have not been seen on kqueue yet. Beside kqueue
            // each datagram is a message of its own, so there is no run to refuse.
            Assert.All(
                FaultyLibc.Names,
                (name, fault) => Assert.True(
                    _faults[fault] > 0
                        || name == "setup-shortage"
                        || (name == "run-refused" && Polling.Poller.Name == "kqueue"),
                    $"{name} was never injected."));
            Assert.True(_handOffs > 0, "No loop was ever given to another thread.");
        }

        public override string ToString()
        {
            var text = new StringBuilder($"{_episodes} episodes, {_connections} connections, {_bytes} bytes "
                + $"received by clients, {_handOffs} hand-offs; faults:");
            for (var i = 0; i < _faults.Length; i++)
            {
                text.Append(CultureInfo.InvariantCulture, $" {FaultyLibc.Names[i]} {_faults[i]}");
            }

            return text.ToString();
        }
    }
}
