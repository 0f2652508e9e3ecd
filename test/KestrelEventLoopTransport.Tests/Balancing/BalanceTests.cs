using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Balancing;

/// <summary>How connections spread over four loops.</summary>
[FailsOnStock("Loops of ours.")]
public sealed class BalanceTests
{
    private const int Loops = 4;
    private const int Connections = 10_000;

    [Theory]
    [MemberData(nameof(ModeData.All), MemberType = typeof(ModeData))]
    public async Task Round_robin_spreads_10000_connections_evenly(AcceptMode mode)
    {
        await using var transport = Create(mode, LoadBalancingPolicy.RoundRobin);
        var listener = await transport.BindAsync();

        await ForEachConnectionAsync(listener, Connections);

        var totals = MonitorOf(transport).GetLoopStatistics().Select(static loop => loop.TotalConnections).ToList();
        Assert.Equal(Connections, totals.Sum());
        Assert.True(totals.Max() - totals.Min() <= 1, string.Join(", ", totals));
    }

    [Theory]
    [MemberData(nameof(ModeData.All), MemberType = typeof(ModeData))]
    public async Task Least_connections_stays_even_while_connections_come_and_go(AcceptMode mode)
    {
        const int Open = 200;
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        await using var transport = Create(mode, LoadBalancingPolicy.LeastConnections);
        var listener = await transport.BindAsync();
        var monitor = MonitorOf(transport);
        var open = new List<(RawClient Client, ConnectionContext Connection)>();

        for (var made = 0; made < Connections;)
        {
            // Each lives as long as chance has it: as many end as come, in small groups.
            var count = open.Count < Open ? Open : random.Next(1, 20);
            while (open.Count > Open - count)
            {
                var index = random.Next(open.Count);
                await EndAsync(open[index]);
                open.RemoveAt(index);
            }

            while (open.Count < Open)
            {
                var client = await RawClient.ConnectAsync(listener.EndPoint);
                open.Add((client, (await listener.AcceptAsync().DefaultTimeout())!));
                made++;
            }

            AssertEven(monitor, seed);
        }

        foreach (var left in open)
        {
            await EndAsync(left);
        }

        Assert.All(monitor.GetLoopStatistics(), static loop => Assert.Equal(0, loop.ConnectionCount));
    }

    // gnet counts a connection only once it is open: a burst goes to one loop.
    [Theory]
    [MemberData(nameof(ModeData.All), MemberType = typeof(ModeData))]
    public async Task Least_connections_spreads_a_burst(AcceptMode mode)
    {
        await using var transport = Create(mode, LoadBalancingPolicy.LeastConnections);
        var listener = await transport.BindAsync();
        var clients = await Task.WhenAll(
            Enumerable.Range(0, 400).Select(_ => RawClient.ConnectAsync(listener.EndPoint)));

        var connections = new List<ConnectionContext>();
        for (var i = 0; i < clients.Length; i++)
        {
            connections.Add((await listener.AcceptAsync().DefaultTimeout())!);
        }

        Assert.All(MonitorOf(transport).GetLoopStatistics(), static loop => Assert.Equal(100, loop.ConnectionCount));
        for (var i = 0; i < clients.Length; i++)
        {
            await EndAsync((clients[i], connections[i]));
        }
    }

    [Theory]
    [MemberData(nameof(ModeData.All), MemberType = typeof(ModeData))]
    public async Task A_source_address_sticks_to_one_loop_and_1000_of_them_spread(AcceptMode mode)
    {
        const int Addresses = 1000;
        await using var transport = Create(mode, LoadBalancingPolicy.SourceAddressHash);
        var listener = await transport.BindAsync();
        var monitor = MonitorOf(transport);
        var loops = new int[Loops];

        for (var i = 0; i < Addresses; i++)
        {
            var source = new IPAddress([127, 1, (byte)(i / 250), (byte)(1 + (i % 250))]);
            var first = await LoopOfNextAsync(listener, monitor, source);
            for (var again = 0; again < 3; again++)
            {
                Assert.Equal(first, await LoopOfNextAsync(listener, monitor, source));
            }

            loops[first]++;
        }

        const int Fair = Addresses / Loops;
        Assert.All(loops, count => Assert.True(Math.Abs(count - Fair) <= Fair / 5, string.Join(", ", loops)));
    }

    [Fact]
    public async Task An_IPv4_client_has_the_same_loop_on_a_dual_stack_endpoint()
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "No IPv6 here.");
        await using var transport = Create(AcceptMode.SharedListener, LoadBalancingPolicy.SourceAddressHash);
        var v4 = await transport.BindAsync();
        var dual = await transport.BindAsync(new IPEndPoint(IPAddress.IPv6Any, 0));
        var monitor = MonitorOf(transport);

        for (var i = 1; i <= 20; i++)
        {
            var source = new IPAddress([127, 2, 3, (byte)i]);
            var destination = new IPEndPoint(IPAddress.Loopback, ((IPEndPoint)dual.EndPoint).Port);
            Assert.Equal(
                await LoopOfNextAsync(v4, monitor, source),
                await LoopOfNextAsync(dual, monitor, source, destination));
        }
    }

    [Fact]
    public async Task Unix_clients_spread_by_source_address_too()
    {
        using var path = new SocketPath();
        await using var transport = Create(AcceptMode.ListenerPerLoop, LoadBalancingPolicy.SourceAddressHash);
        var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));

        await ForEachConnectionAsync(listener, 40);

        Assert.All(MonitorOf(transport).GetLoopStatistics(), static loop => Assert.Equal(10, loop.TotalConnections));
    }

    [Theory]
    [MemberData(nameof(ModeData.All), MemberType = typeof(ModeData))]
    public async Task A_custom_policy_decides(AcceptMode mode)
    {
        var balancer = new ByLastByte();
        await using var transport = Create(
            mode, default, options => options.EndpointDefaults.CustomLoadBalancer = balancer.SelectLoop);
        var listener = await transport.BindAsync();
        var monitor = MonitorOf(transport);

        for (var i = 1; i <= 12; i++)
        {
            var source = new IPAddress([127, 0, 0, (byte)i]);
            Assert.Equal(i % Loops, await LoopOfNextAsync(listener, monitor, source));
            Assert.Equal(source, ((IPEndPoint)balancer.Last!).Address);
        }

        Assert.True(
            mode == AcceptMode.SharedListener ? balancer.AcceptingLoops.Count == 1 : balancer.AcceptingLoops.Count > 1);
    }

    [Theory]
    [InlineData(AcceptMode.SharedListener, -1)]
    [InlineData(AcceptMode.SharedListener, Loops)]
    [InlineData(AcceptMode.SharedListener, null)]
    [InlineData(AcceptMode.ListenerPerLoop, Loops)]
    [InlineData(AcceptMode.ListenerPerLoop, null)]
    public async Task A_custom_policy_that_fails_costs_no_connection_and_is_logged_once(AcceptMode mode, int? answer)
    {
        await using var transport = Create(
            mode, default,
                options => options.EndpointDefaults.CustomLoadBalancer = (in _) => answer
                ?? throw new InvalidOperationException("No answer."));
        var listener = await transport.BindAsync();

        await ForEachConnectionAsync(listener, 8);

        Assert.All(MonitorOf(transport).GetLoopStatistics(), static loop => Assert.Equal(2, loop.TotalConnections));
        var entry = Assert.Single(transport.Logs.Entries, static entry => entry.EventId.Name == "LoadBalancerFailed");
        Assert.Contains(listener.EndPoint.ToString()!, entry.Message, StringComparison.Ordinal);
        Assert.Contains($"returned {answer ?? -1}, ", entry.Message, StringComparison.Ordinal);
        Assert.Contains($"the {Loops} loops", entry.Message, StringComparison.Ordinal);
    }

    // A policy that blocks keeps no other connection of the loop waiting, except where nothing may block.
    [Theory]
    [InlineData(ApplicationScheduling.Adaptive)]
    [InlineData(ApplicationScheduling.ThreadPool)]
    public async Task A_custom_policy_that_blocks_does_not_stop_its_loop(ApplicationScheduling scheduling)
    {
        using var blocks = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        var armed = false;
        int Block(in LoadBalancingContext context)
        {
            if (armed)
            {
                blocks.Set();
                release.Wait();
            }

            return 0;
        }

        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            Transport = options =>
            {
                options.EventLoopCount = 1;
                options.EndpointDefaults.CustomLoadBalancer = Block;
            },
        });
        using var open = await server.ConnectAsync();
        await Echo.RoundTripAsync(open);
        armed = true;
        using var second = await server.ConnectAsync();
        Assert.True(await Task.Run(() => blocks.Wait(TaskTimeoutExtensions.Default)));

        await Echo.RoundTripAsync(open);

        armed = false;
        release.Set();
        await Echo.RoundTripAsync(second);
    }

    // By then another thread runs the loop, and has seen the edges of all of them.
    [Fact]
    public async Task Connections_that_come_while_a_custom_policy_blocks_are_accepted_when_it_returns()
    {
        using var blocks = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Connection = Echo.RunAsync,
            Transport = options =>
            {
                options.EventLoopCount = 1;
                options.EndpointDefaults.CustomLoadBalancer = (in _) =>
                {
                    blocks.Set();
                    release.Wait();
                    return 0;
                };
            },
        });
        release.Set();
        using var open = await server.ConnectAsync();
        await Echo.RoundTripAsync(open);
        blocks.Reset();
        release.Reset();
        var clients = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => server.ConnectAsync()));
        Assert.True(await Task.Run(() => blocks.Wait(TaskTimeoutExtensions.Default)));
        await Echo.RoundTripAsync(open);

        release.Set();

        foreach (var client in clients)
        {
            await Echo.RoundTripAsync(client);
            client.Dispose();
        }
    }

    internal static EventLoopTransportMonitor MonitorOf(TestTransport transport)
        => transport.Services.GetRequiredService<EventLoopTransportMonitor>();

    private static TestTransport Create(
        AcceptMode mode, LoadBalancingPolicy policy, Action<EventLoopTransportOptions>? configure = null)
        => new(ApplicationScheduling.Adaptive, options =>
        {
            options.EventLoopCount = Loops;
            options.EndpointDefaults.AcceptMode = mode;
            options.EndpointDefaults.LoadBalancingPolicy = policy;
            configure?.Invoke(options);
        });

    private static async Task ForEachConnectionAsync(IConnectionListener listener, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var client = await RawClient.ConnectAsync(listener.EndPoint);
            await EndAsync((client, (await listener.AcceptAsync().DefaultTimeout())!));
        }
    }

    private static async Task<int> LoopOfNextAsync(
        IConnectionListener listener, EventLoopTransportMonitor monitor, IPAddress source, EndPoint? destination = null)
    {
        var before = monitor.GetLoopStatistics();
        var client = await RawClient.ConnectAsync(
            destination ?? listener.EndPoint, socket => socket.Bind(new IPEndPoint(source, 0)));
        var connection = await listener.AcceptAsync().DefaultTimeout();
        var after = monitor.GetLoopStatistics();
        await EndAsync((client, connection!));
        return Enumerable.Range(0, after.Count)
            .Single(loop => after[loop].TotalConnections == before[loop].TotalConnections + 1);
    }

    // The reset leaves no TIME_WAIT: ports would run out.
    private static async Task EndAsync((RawClient Client, ConnectionContext Connection) pair)
    {
        pair.Client.Reset();
        await pair.Connection.DisposeAsync().DefaultTimeout();
    }

    private static void AssertEven(EventLoopTransportMonitor monitor, int seed)
    {
        var counts = monitor.GetLoopStatistics().Select(static loop => loop.ConnectionCount).ToList();
        var mean = counts.Average();
        Assert.True(
            counts.TrueForAll(count => Math.Abs(count - mean) <= 2), $"{string.Join(", ", counts)}; seed {seed}");
    }

    private sealed class ByLastByte
    {
        public EndPoint? Last { get; private set; }

        public HashSet<int> AcceptingLoops { get; } = [];

        public int SelectLoop(in LoadBalancingContext context)
        {
            Assert.Equal(4, context.RemoteAddress.Length);
            Last = context.RemoteEndPoint;
            AcceptingLoops.Add(context.AcceptingLoop);
            return context.RemoteAddress[^1] % context.LoopCount;
        }
    }
}
