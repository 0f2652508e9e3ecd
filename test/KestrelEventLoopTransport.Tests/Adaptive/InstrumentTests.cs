using System.Diagnostics.Metrics;
using KestrelEventLoopTransport.Loops.Adaptive;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Adaptive;

[Trait("Contract", "adaptive")]
[FailsOnStock("Instruments of ours.")]
public sealed class InstrumentTests
{
    private const int Tries = 4;

    [Fact]
    public async Task A_handler_that_blocks_is_seen_while_it_does_and_afterwards()
    {
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock);
        using var opening = roadblock;
        using var instruments = new LoopInstruments(server.Services);
        using var blocked = await TestApp.ConnectToLoopAsync(server);
        using var other = await TestApp.ConnectToLoopAsync(server);
        var overdue = instruments.OverdueSeconds.Count;

        await blocked.SendAsync(TestApp.Block);
        await roadblock.UntilArrivedAsync(1);
        Assert.Equal(TestApp.Plain, await other.GetAsync(TestApp.Plain));

        Assert.NotEqual(0, instruments.HandOffs);
        await Poll.UntilAsync(() => instruments.StuckThreads == 1);
        var soFar = instruments.LongestCallback;
        await Poll.UntilAsync(() => instruments.LongestCallback > soFar);

        roadblock.Open();
        Assert.Equal(TestApp.Block, await blocked.ReceiveAsync());
        await Poll.UntilAsync(() => instruments.StuckThreads == 0 && instruments.ParkedThreads >= 1);
        await Poll.UntilAsync(() => instruments.OverdueSeconds.Count > overdue);
        Assert.All(instruments.OverdueSeconds, static seconds => Assert.True(seconds > 0));
        await Poll.UntilAsync(
            () => Math.Abs(instruments.OverdueSeconds.Max() - instruments.LongestCallback.TotalSeconds) < 0.00001);
    }

    // Without advice, an exporter's buckets begin with 5 seconds.
    [Fact]
    public void The_histogram_has_buckets_for_what_it_measures()
    {
        using var meters = new TestMeterFactory();
        Histogram<double>? histogram = null;
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Scope == meters && instrument is Histogram<double> found)
                {
                    histogram = found;
                }
            },
        };
        listener.Start();

        _ = new LoopMetrics(meters);

        var boundaries = histogram!.Advice!.HistogramBucketBoundaries!;
        Assert.Equal("event_loop.overdue_callback.duration", histogram.Name);
        Assert.Equal(boundaries.Order().Distinct(), boundaries);
        Assert.Equal((0.0005, 60), (boundaries[0], boundaries[^1]));
        Assert.All(
            boundaries.Zip(boundaries.Skip(1)), static pair => Assert.InRange(pair.Second / pair.First, 1.9, 3.1));
    }

    [Fact]
    public async Task A_listener_that_throws_does_not_end_the_supervision()
    {
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock);
        using var opening = roadblock;
        var thrown = 0;
        var factory = server.Services.GetRequiredService<IMeterFactory>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == "KestrelEventLoopTransport" && instrument.Meter.Scope == factory)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((_, _, _, _) =>
        {
            Interlocked.Increment(ref thrown);
            throw new InvalidOperationException("The test's listener throws.");
        });
        listener.Start();
        using var blocked = await TestApp.ConnectToLoopAsync(server);
        using var other = await TestApp.ConnectToLoopAsync(server);
        await blocked.SendAsync(TestApp.Block);
        await roadblock.UntilArrivedAsync(1);

        // By then it is overdue.
        Assert.Equal(TestApp.Plain, await other.GetAsync(TestApp.Plain));
        roadblock.Open();
        Assert.Equal(TestApp.Block, await blocked.ReceiveAsync());

        await Poll.UntilAsync(() => Volatile.Read(ref thrown) > 0);
        Assert.Equal(TestApp.Plain, await blocked.GetAsync(TestApp.Plain));
    }

    [Fact]
    public async Task A_handler_that_computes_is_told_from_one_that_blocks()
    {
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock);
        using var opening = roadblock;
        using var instruments = new LoopInstruments(server.Services);
        using var other = await TestApp.ConnectToLoopAsync(server);

        // One that waits for a page just when it is looked at seems to block.
        var handOffs = instruments.ComputingHandOffs;
        var peers = new List<HttpPeer>();
        do
        {
            peers.Add(await TestApp.ConnectToLoopAsync(server));
            await peers[^1].SendAsync(TestApp.Compute);
            await roadblock.UntilArrivedAsync(peers.Count);
            Assert.Equal(TestApp.Plain, await other.GetAsync(TestApp.Plain));
        }
        while (instruments.ComputingHandOffs == handOffs && peers.Count < Tries);

        Assert.True(instruments.ComputingHandOffs > handOffs);
        peers.ForEach(static peer => peer.Dispose());
    }

    private sealed class TestMeterFactory : IMeterFactory
    {
        private readonly List<Meter> _meters = [];

        public Meter Create(MeterOptions options)
        {
            options.Scope = this;
            _meters.Add(new Meter(options));
            return _meters[^1];
        }

        public void Dispose() => _meters.ForEach(static meter => meter.Dispose());
    }
}
