namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>What handlers that blocked once have cost is given back while the server runs.</summary>
[Collection(ProcessWide.Name)]
[Trait("Contract", "adaptive")]
[FailsOnStock("Stock runs handlers on the thread pool, or inline and unprotected.")]
[Slow]
public sealed class RetirementTests
{
    private const int Loops = 2;
    private const int Blocked = 30;

    // The loops' own, the spare and the supervisor.
    private const int Base = Loops + 2;

    [Fact]
    public async Task Threads_and_descriptors_go_when_handlers_have_stopped_to_block()
    {
        var roadblock = new Roadblock();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            App = new TestApp(roadblock).RunAsync,
            Transport = static options => (options.EventLoopCount, options.Adaptive.StandbyIdleTime) =
                (Loops, TimeSpan.FromMilliseconds(100)),
        });
        using var opening = roadblock;
        using var instruments = new LoopInstruments(server.Services);
        await Poll.UntilAsync(() => instruments.ParkedThreads == 1);

        // A thread opens its own when it first runs, which may be later than it counts.
        await Poll.UntilAsync(() => StatusFiles() >= Loops + 1);
        await Poll.UntilAsync(() => LoopThreads() >= Base);
        var others = LoopThreads() - Base;
        var files = StatusFiles();

        var peers = new List<HttpPeer>();
        for (var i = 0; i < Blocked; i++)
        {
            peers.Add(await TestApp.ConnectToLoopAsync(server));
        }

        await Task.WhenAll(peers.Select(static peer => peer.SendAsync(TestApp.Block)));
        await roadblock.UntilArrivedAsync(Blocked);
        await Poll.UntilAsync(() => instruments.StuckThreads == Blocked);
        roadblock.Open();
        foreach (var peer in peers)
        {
            Assert.Equal(TestApp.Block, await peer.ReceiveAsync());
        }

        await Poll.UntilAsync(() => instruments is { ParkedThreads: 1, StuckThreads: 0 });
        await Poll.UntilAsync(() => LoopThreads() <= others + Base, () => $"{LoopThreads()} threads.");
        await Poll.UntilAsync(
            () => StatusFiles() <= files, () => $"{StatusFiles()} descriptors, {files} at the start.");

        // And come back when they are needed.
        foreach (var peer in peers)
        {
            Assert.Equal(TestApp.Plain, await peer.GetAsync(TestApp.Plain));
            peer.Dispose();
        }
    }

    private static int LoopThreads()
        => ProcessState.ThreadNames().Count(
            static name => TestApp.IsLoopThread(name) || name.StartsWith("loop-superviso", StringComparison.Ordinal));

    private static int StatusFiles()
        => ProcessState.Descriptors().Count(static entry => entry.Target.EndsWith("/stat", StringComparison.Ordinal));
}
