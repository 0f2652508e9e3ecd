using System.Globalization;
using System.Text.RegularExpressions;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>The supervisor's thread costs nothing while nothing runs, and next to nothing while all is well.</summary>
[Collection(ProcessWide.Name)]
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock has no supervisor.")]
[Slow]
public sealed partial class SupervisorWakeTests
{
    private const int Thresholds = 8;
    private static readonly TimeSpan _threshold = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan _long = TimeSpan.FromMilliseconds(500);

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task It_sleeps_when_the_traffic_ends(ApplicationScheduling scheduling)
    {
        using var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock, scheduling, loops: 2);
        await using (var traffic = await Traffic.StartAsync(server, 4))
        {
            await traffic.UntilAllAreServedAsync();
        }

        // Not for good.
        var asleep = await UntilAsleepAsync();
        using var peer = await HttpPeer.ConnectAsync(server);
        await Poll.UntilAsync(async () => await peer.GetAsync(TestApp.Plain) == TestApp.Plain && Wakes() > asleep);
    }

    /// <summary>A tick after the callback began it looks once, and finds that it has returned.</summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_request_now_and_then_hardly_wakes_it(ApplicationScheduling scheduling)
    {
        using var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(
            roadblock, scheduling, threshold: TimeSpan.FromMilliseconds(50));
        using var peer = await HttpPeer.ConnectAsync(server);
        Assert.Equal(TestApp.Plain, await peer.GetAsync(TestApp.Plain));

        // Once, and again for each tick that a stopped machine makes it last.
        await Poll.UntilAsync(async () =>
        {
            var before = await UntilAsleepAsync();
            Assert.Equal(TestApp.Plain, await peer.GetAsync(TestApp.Plain));
            return await UntilAsleepAsync() - before is >= 1 and <= 10;
        });
    }

    [Fact]
    public async Task It_sleeps_although_handlers_block()
    {
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock);
        using var opening = roadblock;
        using var blocked = await TestApp.ConnectToLoopAsync(server);
        using var other = await TestApp.ConnectToLoopAsync(server);
        await blocked.SendAsync(TestApp.Block);
        await roadblock.UntilArrivedAsync(1);
        Assert.Equal(TestApp.Plain, await other.GetAsync(TestApp.Plain));

        await UntilAsleepAsync();

        // Not for good: the next one that blocks loses the loop too.
        await other.SendAsync(TestApp.Block);
        await roadblock.UntilArrivedAsync(2);
        using var third = await HttpPeer.ConnectAsync(server);
        Assert.Equal(TestApp.Plain, await third.GetAsync(TestApp.Plain));
    }

    /// <summary>
    /// By itself it would wake at every threshold. A machine that stops for half of one makes it do so, but not all the
    /// time.
    /// </summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Busy_loops_look_in_its_place(ApplicationScheduling scheduling)
    {
        using var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock, scheduling, loops: 2, threshold: _threshold);
        await using var traffic = await Traffic.StartAsync(server, 4);
        await traffic.UntilAllAreServedAsync();

        await Poll.UntilAsync(async () =>
        {
            var before = Wakes();
            await Task.Delay(_threshold * Thresholds);
            return Wakes() - before <= Thresholds / 2;
        });
    }

    private static async Task<long> UntilAsleepAsync()
    {
        var wakes = Wakes();
        await Poll.UntilAsync(async () =>
        {
            var before = wakes;
            await Task.Delay(_long);
            wakes = Wakes();
            return wakes == before;
        });
        return wakes;
    }

    /// <summary>How often the supervisors of this process have gone to sleep.</summary>
    private static long Wakes()
        => ProcessState.ReadThreads("status")
            .Where(static thread => thread.Name == "loop-supervisor")
            .Sum(static thread => long.Parse(
                VoluntarySwitches().Match(thread.Text).Groups[1].ValueSpan, CultureInfo.InvariantCulture));

    [GeneratedRegex(@"\nvoluntary_ctxt_switches:\s+(\d+)")]
    private static partial Regex VoluntarySwitches();
}
