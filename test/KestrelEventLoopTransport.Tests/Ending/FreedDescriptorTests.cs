using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Listening;
using KestrelEventLoopTransport.Tests.Balancing;
using KestrelEventLoopTransport.Tests.Listening;

namespace KestrelEventLoopTransport.Tests.Ending;

/// <summary>
/// Whoever sets a descriptor free lets an acceptor go on that waits for one. In the processes of these tests no timer
/// comes in time to do it.
/// </summary>
[Trait("Contract", "11")]
[FailsOnStock("They run in processes of their own, which look at the loops' counters.")]
[Slow]
public sealed class FreedDescriptorTests
{
    public static MatrixTheoryData<ApplicationScheduling, AcceptMode, bool> Cases
        => new(Enum.GetValues<ApplicationScheduling>(), Enum.GetValues<AcceptMode>(), [false, true]);

    [Fact]
    public Task Each_connection_that_ends_lets_the_next_one_in()
        => ChildProcess.RunAsync(typeof(FreedDescriptorTests), nameof(Lets_the_next_one_in_in_a_process_of_its_own));

    [Fact]
    public Task A_connection_that_ends_lets_one_of_another_listener_in()
        => ChildProcess.RunAsync(typeof(FreedDescriptorTests), nameof(Helps_another_listener_in_a_process_of_its_own));

    [Fact]
    public Task A_listener_that_stops_lets_a_connection_of_another_one_in()
        => ChildProcess.RunAsync(typeof(FreedDescriptorTests), nameof(Stops_in_a_process_of_its_own));

    // There may be no room in the poller, for instance, until a connection closes.
    [Fact]
    public Task A_connection_that_ends_makes_a_listener_try_again_that_fails_for_another_reason()
        => ChildProcess.RunAsync(typeof(FreedDescriptorTests), nameof(Tries_again_in_a_process_of_its_own));

    [Fact]
    public Task A_listener_that_may_have_no_more_connections_leaves_the_descriptor_to_another_one()
        => ChildProcess.RunAsync(typeof(FreedDescriptorTests), nameof(Passes_on_in_a_process_of_its_own));

    [Theory(Explicit = true)]
    [MemberData(nameof(Cases))]
    public async Task Lets_the_next_one_in_in_a_process_of_its_own(
        ApplicationScheduling scheduling, AcceptMode mode, bool unix)
    {
        await PrepareAsync();
        using var path = new SocketPath();
        await using var server = await StartAsync(scheduling, mode, unix ? path : null);
        var clients = CreateClients(server, 100);
        using (new DescriptorShortage(free: 3))
        {
            await Parallel.ForEachAsync(
                clients, new ParallelOptions { MaxDegreeOfParallelism = 12 }, async (client, _) =>
            {
                await client.Socket.ConnectAsync(server.EndPoint).DefaultTimeout();
                await Echo.RoundTripAsync(client);
                await EndAsync(client);
            });
        }

        clients.ForEach(static client => client.Dispose());
    }

    [Theory(Explicit = true)]
    [MemberData(nameof(Cases))]
    public async Task Helps_another_listener_in_a_process_of_its_own(
        ApplicationScheduling scheduling, AcceptMode mode, bool unix)
    {
        await PrepareAsync();
        using var path = new SocketPath();
        await using var ends = await StartAsync(scheduling, mode);
        await using var waits = await StartAsync(scheduling, mode, unix ? path : null);
        var open = CreateClients(ends, 5);
        var waiting = CreateClients(waits, 4);
        foreach (var client in open)
        {
            await client.Socket.ConnectAsync(ends.EndPoint).DefaultTimeout();
            await Echo.RoundTripAsync(client);
        }

        using (new DescriptorShortage())
        {
            foreach (var client in waiting)
            {
                await client.Socket.ConnectAsync(waits.EndPoint).DefaultTimeout();
            }

            foreach (var client in open)
            {
                await EndAsync(client);
            }

            await Task.WhenAll(waiting.Select(static client => Echo.RoundTripAsync(client)));
        }

        open.ForEach(static client => client.Dispose());
        waiting.ForEach(static client => client.Dispose());
    }

    [Theory(Explicit = true)]
    [MemberData(nameof(ModeData.WithSchedulings), MemberType = typeof(ModeData))]
    public async Task Stops_in_a_process_of_its_own(ApplicationScheduling scheduling, AcceptMode mode)
    {
        await PrepareAsync();
        await using var stops = await StartAsync(scheduling, mode);
        await using var waits = await StartAsync(scheduling, mode);
        using var first = CreateClients(stops, 1)[0];
        using var second = CreateClients(waits, 1)[0];
        using var shortage = new DescriptorShortage();

        // The one that stops is the first in the queue.
        await first.Socket.ConnectAsync(stops.EndPoint).DefaultTimeout();
        await UntilShortAsync(stops);
        await second.Socket.ConnectAsync(waits.EndPoint).DefaultTimeout();
        await UntilShortAsync(waits);

        await stops.StopAsync();

        await Echo.RoundTripAsync(second);
    }

    [Theory(Explicit = true)]
    [MemberData(nameof(ModeData.WithSchedulings), MemberType = typeof(ModeData))]
    public async Task Passes_on_in_a_process_of_its_own(ApplicationScheduling scheduling, AcceptMode mode)
    {
        await PrepareAsync();
        await using var full = await StartAsync(scheduling, mode, maxConnections: 1);
        await using var waits = await StartAsync(scheduling, mode);
        var own = CreateClients(full, 2);
        var others = CreateClients(waits, 2);
        await others[0].Socket.ConnectAsync(waits.EndPoint).DefaultTimeout();
        await Echo.RoundTripAsync(others[0]);
        using (var shortage = new DescriptorShortage())
        {
            // In the queue, and then it finds a descriptor without that: only a timer tells of one that others free.
            AcceptHold.RetryDelay = 10;
            await own[0].Socket.ConnectAsync(full.EndPoint).DefaultTimeout();
            await UntilShortAsync(full);
            shortage.Free(1);
            await Echo.RoundTripAsync(own[0]);
            AcceptHold.RetryDelay = int.MaxValue / 100;
            await others[1].Socket.ConnectAsync(waits.EndPoint).DefaultTimeout();
            await UntilShortAsync(waits);

            await EndAsync(others[0]);

            await Echo.RoundTripAsync(others[1]);
        }

        own.ForEach(static client => client.Dispose());
        others.ForEach(static client => client.Dispose());
    }

    [Theory(Explicit = true)]
    [ClassData<EveryScheduling>]
    public async Task Tries_again_in_a_process_of_its_own(ApplicationScheduling scheduling)
    {
        const int EPERM = 1;
        Assert.SkipUnless(SystemCallFilter.IsSupported, "No seccomp filter for this processor.");
        await PrepareAsync();
        await using var ends = await StartAsync(scheduling, AcceptMode.SharedListener);
        await using var fails = new TestTransport(scheduling);
        var listener = await FailedAcceptTests.BindOnThreadAsync(
            fails, static () => SystemCallFilter.FailAccept(EPERM));
        var endpoint = BalanceTests.MonitorOf(fails).Endpoints[0];
        using var open = await ends.ConnectAsync();
        await Echo.RoundTripAsync(open);
        using var client = await RawClient.ConnectAsync(listener.EndPoint);
        await Poll.UntilAsync(() => fails.Logs.Entries.Any(static entry => entry.EventId.Name == "AcceptPaused"));
        var before = endpoint.FailedAccepts;

        await EndAsync(open);

        await Poll.UntilAsync(() => endpoint.FailedAccepts > before);
        await listener.DisposeAsync().DefaultTimeout();
    }

    private static async Task PrepareAsync()
    {
        AcceptHold.RetryDelay = int.MaxValue / 100;
        await Task.Factory.StartNew(DescriptorShortage.StartPoolThreads, TaskCreationOptions.LongRunning);
    }

    /// <summary>A server that has loaded its code and started its threads.</summary>
    private static async Task<TestServer> StartAsync(
        ApplicationScheduling scheduling, AcceptMode mode, SocketPath? path = null, int? maxConnections = null)
    {
        var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            EndPoint = path is null ? new IPEndPoint(IPAddress.Loopback, 0) : new UnixDomainSocketEndPoint(path.Path),
            Transport = options =>
            {
                options.EventLoopCount = 4;
                options.EndpointDefaults.AcceptMode = mode;
                options.EndpointDefaults.MaxConnections = maxConnections;

                // A standby thread that ends sets a descriptor free.
                options.Adaptive.StandbyIdleTime = TimeSpan.FromHours(1);
            },
        });
        for (var i = 0; i < 8; i++)
        {
            using var client = await server.ConnectAsync();
            await Echo.RoundTripAsync(client);
            await EndAsync(client);
        }

        await Poll.UntilAsync(() => server.Monitor.ConnectionCount == 0);
        return server;
    }

    /// <summary>Clients whose descriptors exist before they are scarce.</summary>
    private static List<RawClient> CreateClients(TestServer server, int count)
        => [.. Enumerable.Range(0, count).Select(_ => RawClient.Create(server.EndPoint))];

    /// <summary>Ends a connection without setting the client's own descriptor free.</summary>
    private static async Task EndAsync(RawClient client)
    {
        client.ShutdownSend();
        await client.ExpectFinAsync();
    }

    /// <summary>A first try that fails puts the acceptor into the queue, a second one makes it pause.</summary>
    private static Task UntilShortAsync(TestServer server)
        => Poll.UntilAsync(() => server.Monitor.Endpoints[0].FailedAccepts >= 2);
}
