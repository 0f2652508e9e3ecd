namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>The pool's minimum of threads is the process's: these tests run alone.</summary>
[Collection(ProcessWide.Name)]
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock runs handlers on the thread pool, or inline and unprotected.")]
public sealed class StandbyBoundTests : IDisposable
{
    private const int Loops = 2;
    private const int Standbys = 4;
    private const int Blocked = 40;

    private readonly int _workers;
    private readonly int _ports;

    public StandbyBoundTests()
    {
        ThreadPool.GetMinThreads(out _workers, out _ports);
        ThreadPool.SetMinThreads(Blocked + 24, _ports);
    }

    public void Dispose() => ThreadPool.SetMinThreads(_workers, _ports);

    [Fact]
    public async Task Others_are_served_when_more_handlers_block_than_there_are_standby_threads()
    {
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock, loops: Loops, standbys: Standbys);
        using var opening = roadblock;
        using var old = await TestApp.ConnectToLoopAsync(server);
        var peers = new List<HttpPeer>();
        try
        {
            for (var i = 0; i < Blocked; i++)
            {
                peers.Add(await TestApp.ConnectToLoopAsync(server));
            }

            await Task.WhenAll(peers.Select(static peer => peer.SendAsync(TestApp.Block)));
            await roadblock.UntilArrivedAsync(Blocked);
            Assert.InRange(roadblock.Threads.Count(TestApp.IsLoopThread), 1, Standbys);
            using var fresh = await HttpPeer.ConnectAsync(server);
            for (var i = 0; i < 20; i++)
            {
                Assert.Equal(TestApp.Plain, await old.GetAsync(TestApp.Plain));
                Assert.Equal(TestApp.Plain, await fresh.GetAsync(TestApp.Plain));
            }

            roadblock.Open();
            foreach (var peer in peers)
            {
                Assert.Equal(TestApp.Block, await peer.ReceiveAsync());
            }

            using var late = await TestApp.ConnectToLoopAsync(server);
            await Poll.UntilAsync(async () => TestApp.IsLoopThread(await old.GetAsync(TestApp.ThreadName)));
        }
        finally
        {
            peers.ForEach(static peer => peer.Dispose());
        }
    }

    [Fact]
    public async Task The_bound_is_reached_and_left_again_and_again()
    {
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Transport = static options =>
            {
                options.EventLoopCount = Loops;
                options.Adaptive.MaxStandbyThreads = Loops;
            },
            App = static async context =>
            {
                Thread.Sleep(3);
                await TestApp.RespondAsync(context, context.Request.Path.Value!);
            },
        });

        await Task.WhenAll(Enumerable.Range(0, 16).Select(async client =>
        {
            using var peer = await HttpPeer.ConnectAsync(server);
            for (var i = 0; i < 50; i++)
            {
                Assert.Equal($"/{client}/{i}", await peer.GetAsync($"/{client}/{i}"));
            }
        }));
    }
}
