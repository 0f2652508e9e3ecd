namespace KestrelEventLoopTransport.Tests.Adaptive;

[Collection(ProcessWide.Name)]
[Trait("Contract", "adaptive")]
[Slow]
public sealed class BlockedStopTests
{
    private const int Cycles = 200;
    private const int Loops = 2;
    private const int Blocked = 4;
    private const int ThreadPoolGrowth = 30;

    [Fact]
    public async Task Servers_that_stop_while_handlers_block_leave_nothing()
    {
        await CycleAsync(0);
        await CycleAsync(1);
        var start = ProcessState.Capture();

        for (var cycle = 0; cycle < Cycles; cycle++)
        {
            await CycleAsync(cycle);
        }

        await Poll.UntilAsync(
            () => LoopThreads().Count == 0,
            () => string.Join(", ", LoopThreads()));
        await Poll.UntilAsync(
            () => ProcessState.Capture().IsBackTo(start, ThreadPoolGrowth),
            () => $"At the start {start}, now {ProcessState.Capture()}.");
    }

    /// <summary>
    /// The handlers are released before the stop, while it waits for them, or after their connections were aborted.
    /// </summary>
    private static async Task CycleAsync(int cycle)
    {
        var roadblock = new Roadblock();
        await using var server = await TestApp.StartAsync(roadblock, loops: Loops);
        using var opening = roadblock;
        var peers = new List<HttpPeer>();
        try
        {
            for (var i = 0; i < Blocked; i++)
            {
                peers.Add(await HttpPeer.ConnectAsync(server));
                Assert.Equal(TestApp.Plain, await peers[i].GetAsync(TestApp.Plain));
            }

            await Task.WhenAll(peers.Select(static peer => peer.SendAsync(TestApp.Block)));
            await roadblock.UntilArrivedAsync(Blocked);
            if (cycle % 3 == 0)
            {
                roadblock.Open();
            }

            var stop = server.StopAsync(TimeSpan.FromMilliseconds(cycle % 3 == 1 ? 1000 : 5));
            if (cycle % 3 == 2)
            {
                await Task.Delay(cycle % 50);
            }

            roadblock.Open();
            await stop;
        }
        finally
        {
            roadblock.Open();
            peers.ForEach(static peer => peer.Dispose());
        }
    }

    private static List<string> LoopThreads()
    {
        var names = new List<string>();
        foreach (var task in Directory.EnumerateDirectories("/proc/self/task"))
        {
            try
            {
                names.Add(File.ReadAllText(Path.Combine(task, "comm")).Trim());
            }
            catch (IOException)
            {
                // The thread ended meanwhile.
            }
        }

        return names.FindAll(static name => TestApp.IsLoopThread(name)
            || name.StartsWith("loop-superviso", StringComparison.Ordinal));
    }
}
