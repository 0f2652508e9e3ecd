using System.Collections.Concurrent;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Balancing;

[FailsOnStock("Options of ours.")]
public sealed class MaxConnectionsTests
{
    private const int Most = 3;

    [Theory]
    [MemberData(nameof(ModeData.WithSchedulings), MemberType = typeof(ModeData))]
    public async Task Pause_leaves_the_rest_to_the_kernel_until_connections_end(
        ApplicationScheduling scheduling, AcceptMode mode)
    {
        await using var server = await StartAsync(scheduling, mode, MaxConnectionsPolicy.Pause);
        var clients = new List<RawClient>();
        for (var i = 0; i < 20; i++)
        {
            var client = await server.ConnectAsync();
            await client.SendAsync(Pattern.Create(100));
            clients.Add(client);
        }

        // Each that is answered makes room for one more, and there are never more than that.
        var answered = 0;
        while (clients.Count > 0)
        {
            await Poll.UntilAsync(
                () => clients.Count(static client => client.Socket.Available == 100) == Math.Min(Most, clients.Count));
            Assert.True(server.Monitor.ConnectionCount <= Most);
            var done = clients.First(static client => client.Socket.Available == 100);
            Pattern.AssertMatches(await done.ReceiveExactlyAsync(100));
            done.ShutdownSend();
            await done.ExpectFinAsync();
            done.Dispose();
            clients.Remove(done);
            answered++;
        }

        Assert.Equal(20, answered);
        Assert.Equal(0, server.Monitor.Endpoints[0].RefusedConnections);
    }

    [Theory]
    [MemberData(nameof(ModeData.WithSchedulings), MemberType = typeof(ModeData))]
    public async Task Refuse_resets_the_rest(ApplicationScheduling scheduling, AcceptMode mode)
    {
        await using var server = await StartAsync(scheduling, mode, MaxConnectionsPolicy.Refuse);
        for (var round = 1; round <= 3; round++)
        {
            var open = new List<RawClient>();
            for (var i = 0; i < Most; i++)
            {
                open.Add(await server.ConnectAsync());
                await Echo.RoundTripAsync(open[i]);
            }

            for (var i = 0; i < 5; i++)
            {
                await AssertRefusedAsync(server);
            }

            Assert.Equal(Most, server.Monitor.Endpoints[0].ConnectionCount);
            await Poll.UntilAsync(() => server.Monitor.Endpoints[0].RefusedConnections == 5 * round);
            Assert.Equal(Most * round, server.Monitor.Endpoints[0].AcceptedConnections);
            foreach (var client in open)
            {
                await Echo.RoundTripAsync(client);
                client.ShutdownSend();
                await client.ExpectFinAsync();
                client.Dispose();
            }

            await Poll.UntilAsync(() => server.Monitor.Endpoints[0].ConnectionCount == 0);
        }
    }

    [Theory]
    [InlineData(MaxConnectionsPolicy.Pause)]
    [InlineData(MaxConnectionsPolicy.Refuse)]
    public async Task Connections_that_a_hook_refuses_take_no_room(MaxConnectionsPolicy policy)
    {
        var left = 2 * Most;
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Connection = Echo.RunAsync,
            Transport = options =>
            {
                Limit(options, AcceptMode.SharedListener, policy);
                options.EndpointDefaults.ConfigureAcceptedSocket = context =>
                {
                    if (left-- > 0)
                    {
                        context.Refuse();
                    }
                };
            },
        });
        for (var i = 0; i < 2 * Most; i++)
        {
            using var refused = await server.ConnectAsync();
            await refused.ExpectFinAsync();
        }

        using var client = await server.ConnectAsync();

        await Echo.RoundTripAsync(client);
        Assert.Equal(1, server.Monitor.Endpoints[0].ConnectionCount);
    }

    [Theory]
    [MemberData(nameof(ModeData.All), MemberType = typeof(ModeData))]
    public async Task The_limit_holds_in_a_storm(AcceptMode mode)
    {
        var most = 0;
        EventLoopEndpoint? listener = null;
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Transport = options => Limit(options, mode, MaxConnectionsPolicy.Pause),
            Connection = async connection =>
            {
                // Not the handlers: that of a reset connection may run on while the connection counts no more.
                var now = Volatile.Read(ref listener)!.ConnectionCount;
                for (var seen = Volatile.Read(ref most); now > seen; seen = Volatile.Read(ref most))
                {
                    Interlocked.CompareExchange(ref most, now, seen);
                }

                await Echo.RunAsync(connection);
            },
        });
        Volatile.Write(ref listener, server.Monitor.Endpoints[0]);

        await Parallel.ForAsync(0, 500, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, _) =>
        {
            using var client = await server.ConnectAsync();
            await Echo.RoundTripAsync(client);
            if (i % 2 == 0)
            {
                client.Reset();
            }
        });

        Assert.Equal(Most, most);
        Assert.Equal(500, server.Monitor.Endpoints[0].AcceptedConnections);
        await Poll.UntilAsync(() => server.Monitor.ConnectionCount == 0);
    }

    // Kestrel's own accept loop takes what it gets: so here nobody takes.
    [Theory]
    [MemberData(nameof(ModeData.All), MemberType = typeof(ModeData))]
    public async Task An_application_that_takes_no_connections_leaves_them_to_the_kernel(AcceptMode mode)
    {
        const int Batch = 4;
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive, options =>
        {
            options.EventLoopCount = 2;
            options.EndpointDefaults.AcceptMode = mode;
            options.EndpointDefaults.AcceptBatchSize = Batch;
        });
        var listener = await transport.BindAsync();
        var endpoint = Assert.Single(BalanceTests.MonitorOf(transport).Endpoints);
        var clients = new List<RawClient>();
        for (var i = 0; i < 40; i++)
        {
            clients.Add(await RawClient.ConnectAsync(listener.EndPoint));
        }

        var most = mode == AcceptMode.SharedListener ? Batch : 2 * Batch;

        await Poll.UntilAsync(() => endpoint.AcceptedConnections == most);
        for (var taken = 1; taken <= clients.Count; taken++)
        {
            Assert.True(endpoint.AcceptedConnections < taken + most);
            await (await listener.AcceptAsync().DefaultTimeout())!.DisposeAsync().DefaultTimeout();
        }

        Assert.Equal(clients.Count, endpoint.AcceptedConnections);
        clients.ForEach(static client => client.Dispose());
    }

    // The log ends the last connection, between the acceptor's look and its wait.
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_connection_that_ends_while_the_acceptor_begins_to_wait_makes_room(
        ApplicationScheduling scheduling)
    {
        var waits = 0;
        using var accepted = new BlockingCollection<ConnectionContext>();
        void EndSecond()
        {
            if (Interlocked.Increment(ref waits) == 2)
            {
                Assert.True(accepted.Take().DisposeAsync().AsTask().Wait(TaskTimeoutExtensions.Default));
            }
        }

        await using var transport = new TestTransport(new TestSettings
        {
            Scheduling = scheduling,
            Transport = options =>
            {
                Limit(options, AcceptMode.SharedListener, MaxConnectionsPolicy.Pause);
                options.EndpointDefaults.MaxConnections = 1;
            },
            Services = services => services.AddSingleton<ILoggerProvider>(new EventHook("AcceptLimited", EndSecond)),
        });
        var listener = await transport.BindAsync();
        var first = await transport.ConnectAsync(listener);
        await Poll.UntilAsync(() => Volatile.Read(ref waits) == 1);

        // Their edges come before there is room for them.
        using var second = await RawClient.ConnectAsync(listener.EndPoint);
        using var third = await RawClient.ConnectAsync(listener.EndPoint);
        await first.DisposeAsync();
        await Poll.UntilAsync(() => Volatile.Read(ref waits) == 2);
        accepted.Add((await listener.AcceptAsync().DefaultTimeout())!);

        await using var last = await listener.AcceptAsync().DefaultTimeout();
        Assert.Equal(third.Socket.LocalEndPoint, last!.RemoteEndPoint);
    }

    private static Task<TestServer> StartAsync(
        ApplicationScheduling scheduling, AcceptMode mode, MaxConnectionsPolicy policy)
        => TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            Transport = options => Limit(options, mode, policy),
        });

    private static void Limit(EventLoopTransportOptions options, AcceptMode mode, MaxConnectionsPolicy policy)
    {
        options.EventLoopCount = 4;
        options.EndpointDefaults.AcceptMode = mode;
        options.EndpointDefaults.MaxConnections = Most;
        options.EndpointDefaults.MaxConnectionsPolicy = policy;
    }

    private static async Task AssertRefusedAsync(TestServer server)
    {
        try
        {
            using var refused = await server.ConnectAsync();
            await refused.ExpectResetAsync();
        }
        catch (SocketException exception)
        {
            // The reset may come before connect has returned.
            Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
        }
    }
}
