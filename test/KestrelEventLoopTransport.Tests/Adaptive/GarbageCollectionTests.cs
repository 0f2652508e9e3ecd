using System.Diagnostics;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>A collection stops every thread; a handler that it stops is not one that blocks.</summary>
[Collection(ProcessWide.Name)]
[Trait("Contract", "adaptive")]
[Trait("Stock", "fails")]
public sealed class GarbageCollectionTests
{
    private const int Collections = 60;
    private const int MostHandOffs = Collections / 4;
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
            Transport = static options => (options.EventLoopCount, options.HandOffThreshold) = (1, _threshold),
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
        var paused = GC.GetTotalPauseDuration();
        var handOffs = instruments.HandOffs;

        for (var i = 0; i < Collections; i++)
        {
            await Task.Delay(17);
            GC.Collect(2, GCCollectionMode.Forced, blocking: true);
        }

        await stop.CancelAsync();
        await Task.WhenAll(peers).DefaultTimeout();
        paused = GC.GetTotalPauseDuration() - paused;
        handOffs = instruments.HandOffs - handOffs;
        GC.KeepAlive(live);
        Assert.True(paused > Collections * _threshold / 2, $"The pauses were too short to tell: {paused} in all.");
        Assert.True(handOffs <= MostHandOffs, $"{handOffs} hand-offs in {Collections} collections that paused for {paused}.");
    }

    /// <summary>Not counting collections, so that one mostly finds a handler that is not done and is not overdue.</summary>
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
