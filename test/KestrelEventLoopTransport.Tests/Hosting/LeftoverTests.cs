using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Tests.Hosting;

[Collection(ProcessWide.Name)]
[Trait("Contract", "24")]
[Slow]
public sealed class LeftoverTests
{
    private const int Cycles = 25;
    private const int Loops = 4;
    private const int Reloads = 20;

    // What the runtime's own pool may grow by meanwhile: less than what a loop per cycle would leave.
    private const int ThreadPoolGrowth = 20;

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Started_and_stopped_servers_leave_nothing(ApplicationScheduling scheduling)
    {
        await CycleAsync(scheduling, 0);
        await CycleAsync(scheduling, 1);
        var start = ProcessState.Capture();

        for (var cycle = 0; cycle < Cycles; cycle++)
        {
            await CycleAsync(scheduling, cycle);
        }

        await Poll.UntilAsync(
            () => ProcessState.Capture().IsBackTo(start, ThreadPoolGrowth),
            () => $"At the start {start}, now {ProcessState.Capture()}.");
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Connections_of_every_ending_leave_no_descriptor_while_the_server_runs(
        ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(scheduling, static async connection =>
        {
            // Half of them have asked for the socket.
            if (connection.RemoteEndPoint!.GetHashCode() % 2 == 0)
            {
                _ = connection.Features.Get<IConnectionSocketFeature>()!.Socket.LocalEndPoint;
            }

            await Echo.RunAsync(connection);
        });
        await UseAsync(server, 8);
        await Poll.UntilAsync(() => server.Settings.Pools!.Outstanding == 0);
        await UntilSupervisedAsync();
        var start = ProcessState.Capture();

        for (var i = 0; i < 10; i++)
        {
            await UseAsync(server, 20);
        }

        await Poll.UntilAsync(
            () => ProcessState.Capture().HasNoMoreDescriptorsThan(start),
            () => $"At the start {start}, now {ProcessState.Capture()}.");
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Bind_that_fails_leaves_nothing(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling, static options => options.EventLoopCount = Loops);
        var listener = await transport.BindAsync();
        await Assert.ThrowsAsync<AddressInUseException>(() => transport.BindAsync(listener.EndPoint));
        await UntilSupervisedAsync();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var start = ProcessState.Capture();

        for (var i = 0; i < Cycles; i++)
        {
            await Assert.ThrowsAsync<AddressInUseException>(() => transport.BindAsync(listener.EndPoint));
        }

        // Stock leaves the failed socket to its finalizer.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        await Poll.UntilAsync(
            () => ProcessState.Capture().IsBackTo(start, ThreadPoolGrowth),
            () => $"At the start {start}, now {ProcessState.Capture()}.");
    }

    // One endpoint moves, so that the loops end and begin again with each; the other changes places, and they go on.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [FailsOnStock("Options of ours are what is reloaded.")]
    public async Task Reloads_leave_nothing(bool besidesAnother)
    {
        using var path = new SocketPath();
        var values = new Dictionary<string, string?>
        {
            ["Endpoints:Api:Url"] = $"http://unix:{path.Path}0",
            ["EventLoopTransport:EventLoopCount"] = "4",
            ["EventLoopTransport:Endpoints:Api:MaxConnections"] = "10",
        };
        if (besidesAnother)
        {
            values["Endpoints:Other:Url"] = "http://127.0.0.1:0";
        }

        await using var server = await ReloadingServer.StartAsync(values);
        await MoveAsync(1);
        await MoveAsync(2);
        await UntilSupervisedAsync();
        var start = ProcessState.Capture();
        var pools = server.Pools.Pools.Count(static pool => !pool.IsDisposed);

        for (var i = 0; i < Reloads; i++)
        {
            await MoveAsync(i + 3);
        }

        // The server runs: on a busy machine it may have got standby threads meanwhile, but not one with each reload.
        await Poll.UntilAsync(
            () => ProcessState.Capture() is var now && now.HasNoMoreDescriptorsThan(start)
                && now.NamedThreads < start.NamedThreads + (Reloads / 2) && server.Pools.Outstanding == 0,
            () => $"At the start {start}, now {ProcessState.Capture()}.");
        Assert.Equal(pools, server.Pools.Pools.Count(static pool => !pool.IsDisposed));
        Assert.Equal(besidesAnother ? 2 : 1, server.Monitor.Endpoints.Count);

        async Task MoveAsync(int number)
        {
            values["Endpoints:Api:Url"] = $"http://unix:{path.Path}{number}";
            await server.ReloadAsync(values);
            Assert.Contains("Hello", await ReloadingServer.GetAsync(
                new System.Net.Sockets.UnixDomainSocketEndPoint($"{path.Path}{number}")));
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "12")]
    public async Task No_descriptor_of_the_transport_would_be_inherited_by_a_child_process(
        ApplicationScheduling scheduling)
    {
        const int O_CLOEXEC = 0x80000;

        // With what they are: the number of one that an earlier test has left may be given away meanwhile.
        var before = ProcessState.Descriptors().ToHashSet();
        await using var server = await TestServer.StartAsync(scheduling, Echo.RunAsync);
        using var client = await server.ConnectAsync();
        await Echo.RoundTripAsync(client);

        var opened = ProcessState.Descriptors()
            .Where(d => !before.Contains(d))
            .Where(static d => d.Target.StartsWith("socket:", StringComparison.Ordinal) || d.Target.StartsWith(
                "anon_inode:", StringComparison.Ordinal))
            .ToList();

        Assert.NotEmpty(opened);
        Assert.All(opened, static d => Assert.NotEqual(0, ProcessState.DescriptorFlags(d.Descriptor) & O_CLOEXEC));
    }

    // The supervisor's thread makes its timer after the server has started. Stock has none.
    private static Task UntilSupervisedAsync()
        => StockTransport.IsUnderTest ? Task.CompletedTask : Poll.UntilAsync(() => ProcessState.Descriptors().Any(
            static entry => entry.Target.Contains("[timerfd]", StringComparison.Ordinal)));

    private static async Task CycleAsync(ApplicationScheduling scheduling, int cycle)
    {
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            Transport = static options => options.EventLoopCount = Loops,
        });
        await UseAsync(server, 4);

        // Every other server stops with connections open.
        using var open = await server.ConnectAsync();
        await Echo.RoundTripAsync(open);
        if (cycle % 2 == 0)
        {
            open.Dispose();
        }

        await server.StopAsync(TimeSpan.FromMilliseconds(20));
    }

    private static async Task UseAsync(TestServer server, int connections)
    {
        for (var i = 0; i < connections; i++)
        {
            using var client = await server.ConnectAsync();
            await Echo.RoundTripAsync(client, 5000);
            switch (i % 4)
            {
                case 0:
                    client.Reset();
                    break;
                case 1:
                    client.ShutdownSend();
                    await client.ExpectFinAsync();
                    break;
                case 2:
                    await client.SendAsync(Pattern.Create(100_000));
                    client.Reset();
                    break;
                default:
                    break;
            }
        }
    }
}
