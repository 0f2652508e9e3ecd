namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>Many more handlers sleep than there are standby threads; the pool keeps its few threads.</summary>
[Collection(ProcessWide.Name)]
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock runs handlers on the thread pool, or inline and unprotected.")]
[Slow]
public sealed class SleeperTests
{
    private const int Sleepers = 1000;
    private const int Others = 16;
    private const int Loops = 2;
    private static readonly TimeSpan _sleep = TimeSpan.FromSeconds(2);

    [Fact]
    public async Task A_thousand_sleepers_end_and_others_are_served_meanwhile()
    {
        var asleep = 0;
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Transport = static options => options.EventLoopCount = Loops,
            App = context =>
            {
                if (context.Request.Path == TestApp.Block)
                {
                    Interlocked.Increment(ref asleep);
                    Thread.Sleep(_sleep);
                }

                return TestApp.RespondAsync(context, context.Request.Path.Value!);
            },
        });
        using var instruments = new LoopInstruments(server.Services);
        var sleepers = new List<HttpPeer>();
        var others = new List<HttpPeer>();
        try
        {
            for (var i = 0; i < Sleepers + Others; i++)
            {
                var peer = await HttpPeer.ConnectAsync(server);
                (i < Sleepers ? sleepers : others).Add(peer);
                Assert.Equal(TestApp.Plain, await peer.GetAsync(TestApp.Plain));
            }

            var sleeping = Task.WhenAll(
                sleepers.Select(static async peer => Assert.Equal(TestApp.Block, await peer.GetAsync(TestApp.Block))));
            var serving = others.Select(peer => CountServedAsync(peer, sleeping)).ToArray();
            var mostStuck = 0L;
            while (!sleeping.IsCompleted)
            {
                mostStuck = Math.Max(mostStuck, instruments.StuckThreads);
                await Task.Delay(5);
            }

            await sleeping.DefaultTimeout();
            Assert.Equal(Sleepers, asleep);
            Assert.InRange(
                mostStuck,
                new EventLoopTransportOptions { EventLoopCount = Loops }.MaxStandbyThreads - Loops,
                long.MaxValue);
            var served = await Task.WhenAll(serving).DefaultTimeout();
            Assert.All(
                await Task.WhenAll(serving).DefaultTimeout(), static served => Assert.InRange(served, 2, int.MaxValue));
        }
        finally
        {
            sleepers.ForEach(static peer => peer.Dispose());
            others.ForEach(static peer => peer.Dispose());
        }
    }

    private static async Task<int> CountServedAsync(HttpPeer peer, Task until)
    {
        var served = 0;
        while (!until.IsCompleted)
        {
            Assert.Equal(TestApp.Plain, await peer.GetAsync(TestApp.Plain));
            served++;
        }

        return served;
    }
}
