using System.Globalization;
using System.Text.RegularExpressions;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>The supervisor's thread costs nothing while nothing runs, and next to nothing while all is well.</summary>
[Collection(ProcessWide.Name)]
[Trait("Contract", "adaptive")]
[Trait("Stock", "fails")]
public sealed partial class SupervisorWakeTests
{
    private const int Thresholds = 15;
    private static readonly TimeSpan _threshold = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan _long = TimeSpan.FromMilliseconds(500);

    [Theory]
    [MemberData(nameof(Schedulings.All), MemberType = typeof(Schedulings))]
    public async Task It_sleeps_when_the_traffic_ends(ApplicationScheduling scheduling)
    {
        using var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock, scheduling, loops: 2);
        await using (var traffic = await Traffic.StartAsync(server, 4))
        {
            await traffic.UntilAllAreServedAsync();
        }

        await Poll.UntilAsync(async () =>
        {
            var before = Wakes();
            await Task.Delay(_long);
            return Wakes() == before;
        });

        // Not for good.
        var asleep = Wakes();
        using var peer = await HttpPeer.ConnectAsync(server);
        await Poll.UntilAsync(async () => await peer.GetAsync(TestApp.Plain) == TestApp.Plain && Wakes() > asleep);
    }

    /// <summary>By itself it would wake at every threshold; a machine that stops for half of one makes it do so.</summary>
    [Theory]
    [MemberData(nameof(Schedulings.All), MemberType = typeof(Schedulings))]
    public async Task Busy_loops_look_in_its_place(ApplicationScheduling scheduling)
    {
        using var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock, scheduling, loops: 2, threshold: _threshold);
        await using var traffic = await Traffic.StartAsync(server, 4);
        await traffic.UntilAllAreServedAsync();

        var before = Wakes();
        await Task.Delay(_threshold * Thresholds);
        Assert.InRange(Wakes() - before, 0, Thresholds / 2);
    }

    /// <summary>How often the supervisors of this process have gone to sleep.</summary>
    private static long Wakes()
        => ProcessState.ReadThreads("status")
            .Where(static thread => thread.Name == "loop-supervisor")
            .Sum(static thread => long.Parse(VoluntarySwitches().Match(thread.Text).Groups[1].ValueSpan, CultureInfo.InvariantCulture));

    [GeneratedRegex(@"\nvoluntary_ctxt_switches:\s+(\d+)")]
    private static partial Regex VoluntarySwitches();
}
