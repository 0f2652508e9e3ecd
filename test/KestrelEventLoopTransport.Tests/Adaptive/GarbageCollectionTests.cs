using System.Diagnostics;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>A collection stops every thread; a handler that it stops is not one that blocks.</summary>
[Collection(ProcessWide.Name)]
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock runs handlers on the thread pool, or inline and unprotected.")]
[Slow]
public sealed class GarbageCollectionTests
{
    private const int Collections = 60;
    private const int Allowance = Collections / 3;
    private const int Peers = 4;
    private const int LiveObjects = 2_000_000;
    private static readonly TimeSpan _threshold = TimeSpan.FromMilliseconds(20);

    [Fact]
    public async Task Long_pauses_of_the_garbage_collector_do_not_make_loops_change_hands()
    {
        var live = MakeGarbageThatLives();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Transport = static options => (options.EventLoopCount, options.Adaptive.HandOffThreshold) = (1, _threshold),
            App = static context =>
            {
                ComputeFor(_threshold * 0.8);
                return TestApp.RespondAsync(context, context.Request.Path.Value!);
            },
        });
        using var instruments = new LoopInstruments(server.Services);
        using var stop = new CancellationTokenSource();
        var peers = Enumerable.Range(0, Peers).Select(_ => Task.Run(async () =>
        {
            using var peer = await HttpPeer.ConnectAsync(server);
            while (!stop.IsCancellationRequested)
            {
                Assert.Equal(TestApp.Plain, await peer.GetAsync(TestApp.Plain));
            }
        })).ToArray();
        var paused = TimeSpan.Zero;
        long handOffs = 0, otherHandOffs = 0;

        for (var i = 0; i < Collections; i++)
        {
            // A machine that gives the handlers too little of its processors makes hand-offs without collections too.
            var before = instruments.HandOffs;
            await Task.Delay(_threshold);
            var between = instruments.HandOffs;
            otherHandOffs += between - before;

            var pausedBefore = GC.GetTotalPauseDuration();
            GC.Collect(2, GCCollectionMode.Forced, blocking: true);
            paused += GC.GetTotalPauseDuration() - pausedBefore;
            await Task.Delay(_threshold);
            handOffs += instruments.HandOffs - between;
        }

        await stop.CancelAsync();
        await Task.WhenAll(peers).DefaultTimeout();
        GC.KeepAlive(live);
        Assert.True(paused > Collections * _threshold / 2, $"The pauses were too short to tell: {paused} in all.");
        Assert.True(
            handOffs <= otherHandOffs + Allowance,
            $"{handOffs} hand-offs in {Collections} collections that paused for {paused}, and {otherHandOffs} "
                + $"between them.");
    }

    /// <summary>
    /// Not counting collections, so that one mostly finds a handler that is not done and is not overdue.
    /// </summary>
    private static void ComputeFor(TimeSpan time)
    {
        var start = Stopwatch.GetTimestamp();
        var paused = GC.GetTotalPauseDuration();
        while (Stopwatch.GetElapsedTime(start) - (GC.GetTotalPauseDuration() - paused) < time)
        {
            Thread.SpinWait(10);
        }
    }

    private static object[] MakeGarbageThatLives()
    {
        var live = new object[LiveObjects];
        for (var i = 0; i < live.Length; i++)
        {
            live[i] = new object[] { live[i / 2] };
        }

        return live;
    }
}
