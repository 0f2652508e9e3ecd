using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Listening.Takeover;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Balancing;

/// <summary>
/// What becomes of connections in the kernel's queue when a listener stops, and of those that come then.
/// </summary>
[Trait("Contract", "24")]
[FailsOnStock("Stock lets the kernel reset what waits in the queue of a listener that stops.")]
public sealed class HandOverTests
{
    private static readonly TimeSpan _longerThanATest = TimeSpan.FromMinutes(1);

    [Theory]
    [MemberData(nameof(ModeData.WithSchedulings), MemberType = typeof(ModeData))]
    public async Task Connections_in_the_queue_at_unbind_are_accepted_and_served(
        ApplicationScheduling scheduling, AcceptMode mode)
    {
        // The acceptors themselves take one ahead: the rest waits in the kernel.
        await using var transport = Create(
            mode, scheduling, static options => options.EndpointDefaults.AcceptBatchSize = 1);
        var listener = await transport.BindAsync();
        var clients = await ConnectAsync(listener.EndPoint, 20);
        var endpoint = Assert.Single(BalanceTests.MonitorOf(transport).Endpoints);
        Assert.True(endpoint.AcceptedConnections <= 4);

        await listener.UnbindAsync().DefaultTimeout();

        for (var i = 0; i < clients.Length; i++)
        {
            var connection = await listener.AcceptAsync().DefaultTimeout();
            Assert.NotNull(connection);
            _ = ServeAsync(connection);
        }

        Assert.Null(await listener.AcceptAsync().DefaultTimeout());
        foreach (var client in clients)
        {
            await Echo.RoundTripAsync(client);
            client.ShutdownSend();
            await client.ExpectFinAsync();
            client.Dispose();
        }
    }

    // What comes meanwhile could go on for ever.
    [Fact]
    public async Task A_listener_that_stops_accepts_no_more_than_its_queue_can_hold()
    {
        const int Backlog = 4;
        var stops = false;
        var accepted = 0;
        var clients = new ConcurrentQueue<RawClient>();
        EndPoint? endPoint = null;
        await using var transport = Create(AcceptMode.SharedListener, configure: options =>
        {
            options.EndpointDefaults.Backlog = Backlog;
            options.EndpointDefaults.AcceptBatchSize = 1;
            options.EndpointDefaults.ConfigureAcceptedSocket = _ =>
            {
                if (Volatile.Read(ref stops) && ++accepted < 100)
                {
                    var client = RawClient.Create(endPoint!);
                    client.Socket.Connect(endPoint!);
                    clients.Enqueue(client);
                }
            };
        });
        var listener = await transport.BindAsync();
        endPoint = listener.EndPoint;
        clients.Enqueue(await RawClient.ConnectAsync(endPoint));
        await using (await listener.AcceptAsync().DefaultTimeout())
        {
        }

        Volatile.Write(ref stops, true);
        clients.Enqueue(await RawClient.ConnectAsync(endPoint));
        await listener.UnbindAsync().DefaultTimeout();
        await listener.DisposeAsync().DefaultTimeout();

        Assert.InRange(accepted, 1, 4 * Backlog);
        while (clients.TryDequeue(out var client))
        {
            client.Dispose();
        }
    }

    [Theory]
    [MemberData(nameof(ModeData.All), MemberType = typeof(ModeData))]
    public async Task Connections_that_nobody_takes_are_closed_by_dispose(AcceptMode mode)
    {
        await using var transport = Create(mode);
        var listener = await transport.BindAsync();
        var clients = await ConnectAsync(listener.EndPoint, 20);

        await listener.UnbindAsync().DefaultTimeout();
        await listener.DisposeAsync().DefaultTimeout();

        foreach (var client in clients)
        {
            await client.ExpectFinAsync();
            client.Dispose();
        }

        Assert.Equal(0, BalanceTests.MonitorOf(transport).ConnectionCount);
        Assert.Null(await listener.AcceptAsync().DefaultTimeout());
    }

    [Theory]
    [MemberData(nameof(ModeData.All), MemberType = typeof(ModeData))]
    public async Task A_listener_that_shares_its_port_hands_over(AcceptMode mode)
    {
        await using var first = Create(mode, configure: static options => Share(options, _longerThanATest));
        await using var second = Create(mode, configure: static options => Share(options, TimeSpan.Zero));
        await using var third = Create(mode, configure: static options => Share(options, TimeSpan.Zero));
        var old = await first.BindAsync();
        var waiting = await ConnectAsync(old.EndPoint, 10);
        var successor = await second.BindAsync(old.EndPoint);

        var unbind = old.UnbindAsync().AsTask();
        await AssertOthersGetAllAsync(first, second);
        Assert.False(unbind.IsCompleted);
        var before = BalanceTests.MonitorOf(second).Endpoints[0].AcceptedConnections;

        await old.DisposeAsync().DefaultTimeout();
        await unbind.DefaultTimeout();
        foreach (var client in waiting)
        {
            await client.ExpectFinAsync();
            client.Dispose();
        }

        // And it leaves nothing behind: the next to join gets its share, and no more.
        var next = await third.BindAsync(successor.EndPoint);
        var clients = await ConnectAsync(successor.EndPoint, 200);
        var accepted = BalanceTests.MonitorOf(second).Endpoints[0];
        await Poll.UntilAsync(() => accepted.AcceptedConnections - before
            + BalanceTests.MonitorOf(third).Endpoints[0].AcceptedConnections == 200);
        Assert.InRange(accepted.AcceptedConnections - before, 1, 199);
        Assert.Equal(successor.EndPoint, next.EndPoint);
        Array.ForEach(clients, static client => client.Dispose());
    }

    // The kernel knows the sockets by places, and nobody knows his own: it is not the first after a restart of another.
    [Theory]
    [InlineData(AcceptMode.SharedListener, 0)]
    [InlineData(AcceptMode.SharedListener, 1)]
    [InlineData(AcceptMode.SharedListener, 2)]
    [InlineData(AcceptMode.ListenerPerLoop, 0)]
    [InlineData(AcceptMode.ListenerPerLoop, 1)]
    [InlineData(AcceptMode.ListenerPerLoop, 2)]
    public async Task Any_of_those_that_share_a_port_may_stop(AcceptMode mode, int which)
    {
        var transports = new List<TestTransport>();
        var listeners = new List<IConnectionListener>();
        for (var i = 0; i < 4; i++)
        {
            transports.Add(Create(mode, configure: static options => Share(options, _longerThanATest)));
            listeners.Add(await transports[i].BindAsync(listeners.FirstOrDefault()?.EndPoint));
        }
        // Its sockets' places go to the last.
        await listeners[0].DisposeAsync().DefaultTimeout();
        transports.RemoveAt(0);
        listeners.RemoveAt(0);

        var unbind = listeners[which].UnbindAsync().AsTask();

        await AssertOthersGetAllAsync(transports[which], [.. transports.Where((_, i) => i != which)]);
        Assert.False(unbind.IsCompleted);
        await listeners[which].DisposeAsync().DefaultTimeout();
        await unbind.DefaultTimeout();
        foreach (var listener in listeners)
        {
            await listener.DisposeAsync().DefaultTimeout();
        }

        foreach (var transport in transports)
        {
            await transport.DisposeAsync();
        }
    }

    // Each would send the other's connections to itself; none must be lost by that.
    [Theory]
    [MemberData(nameof(ModeData.All), MemberType = typeof(ModeData))]
    public async Task Two_may_stop_at_once(AcceptMode mode)
    {
        await using var first = Create(mode, configure: static options => Share(options, _longerThanATest));
        await using var second = Create(mode, configure: static options => Share(options, _longerThanATest));
        await using var third = Create(mode, configure: static options => Share(options, TimeSpan.Zero));
        var one = await first.BindAsync();
        var two = await second.BindAsync(one.EndPoint);
        await third.BindAsync(one.EndPoint);

        var unbinds = new[] { one.UnbindAsync().AsTask(), two.UnbindAsync().AsTask() };

        foreach (var client in await ConnectAsync(one.EndPoint, 200))
        {
            client.Dispose();
        }

        await Poll.UntilAsync(() => Accepted(first) + Accepted(second) + Accepted(third) == 200);
        Assert.All(unbinds, static unbind => Assert.False(unbind.IsCompleted));
        await one.DisposeAsync().DefaultTimeout();
        await two.DisposeAsync().DefaultTimeout();
    }

    [Theory]
    [MemberData(nameof(ModeData.All), MemberType = typeof(ModeData))]
    public async Task A_hook_may_share_the_port(AcceptMode mode)
    {
        static void ShareByHook(EventLoopTransportOptions options)
        {
            Share(options, _longerThanATest);
            options.EndpointDefaults.ReusePort = false;
            options.EndpointDefaults.ConfigureListenSocket
                = static context => context.SetOption(Libc.SOL_SOCKET, Libc.SO_REUSEPORT, 1);
        }

        await using var first = Create(mode, configure: ShareByHook);
        await using var second = Create(mode, configure: ShareByHook);
        var old = await first.BindAsync();
        var successor = await second.BindAsync(old.EndPoint);

        var clients = await ConnectAsync(old.EndPoint, 200);
        await Poll.UntilAsync(() => Accepted(first) + Accepted(second) == 200);
        Assert.InRange(Accepted(first), 1, 199);
        Array.ForEach(clients, static client => client.Dispose());

        var unbind = old.UnbindAsync().AsTask();
        await AssertOthersGetAllAsync(first, second);
        Assert.False(unbind.IsCompleted);
        await old.DisposeAsync().DefaultTimeout();
        await successor.DisposeAsync().DefaultTimeout();
    }

    [Fact]
    public void Without_IPv6_there_is_one_table_of_sockets()
        => Assert.Equal(0, ReusePortMembers.CountIn("/proc/net/no-tcp6", "socket:[1]"));

    [Theory]
    [MemberData(nameof(ModeData.All), MemberType = typeof(ModeData))]
    public async Task Who_shares_with_nobody_does_not_wait(AcceptMode mode)
    {
        await using var transport = Create(mode, configure: static options => Share(options, _longerThanATest));
        var listener = await transport.BindAsync();

        await listener.UnbindAsync().DefaultTimeout();
    }

    [Fact]
    public async Task A_cancelled_unbind_waits_no_longer()
    {
        await using var first = Create(
            AcceptMode.SharedListener, configure: static options => Share(options, _longerThanATest));
        await using var second = Create(
            AcceptMode.SharedListener, configure: static options => Share(options, TimeSpan.Zero));
        var listener = await first.BindAsync();
        await second.BindAsync(listener.EndPoint);
        using var cancellation = new CancellationTokenSource();
        var unbind = listener.UnbindAsync(cancellation.Token).AsTask();

        await cancellation.CancelAsync();

        await unbind.DefaultTimeout();
    }

    [Fact]
    public async Task A_socket_from_outside_keeps_its_queue_for_the_next()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await using var transport = Create(AcceptMode.ListenerPerLoop);
        var listener = await transport.BindAsync(new FileHandleEndPoint((ulong)socket.Handle, FileHandleType.Auto));
        await listener.UnbindAsync().DefaultTimeout();

        using var client = await RawClient.ConnectAsync(socket.LocalEndPoint!);

        await ServeNextAsync(transport, (int)socket.Handle, client);
    }

    [Theory]
    [MemberData(nameof(ModeData.All), MemberType = typeof(ModeData))]
    public async Task Duplicates_of_the_listening_sockets_go_on_with_the_queue(AcceptMode mode)
    {
        await using var first = Create(mode);
        await using var second = Create(mode);
        var listener = await first.BindAsync();
        var endpoint = Assert.Single(BalanceTests.MonitorOf(first).Endpoints);
        var handles = endpoint.DuplicateSockets();
        Assert.Equal(mode == AcceptMode.SharedListener ? 1 : 4, handles.Count);
        await listener.UnbindAsync().DefaultTimeout();
        await listener.DisposeAsync().DefaultTimeout();
        Assert.Throws<ObjectDisposedException>(() => endpoint.DuplicateSockets());

        var clients = await ConnectAsync(listener.EndPoint, 20);

        var successors = new List<IConnectionListener>();
        foreach (var handle in handles)
        {
            successors.Add(await second.BindAsync(
                new FileHandleEndPoint((ulong)handle.DangerousGetHandle(), FileHandleType.Auto)));
        }

        await Poll.UntilAsync(
            () => BalanceTests.MonitorOf(second).Endpoints.Sum(static l => l.AcceptedConnections) == 20);
        foreach (var successor in successors)
        {
            await successor.DisposeAsync().DefaultTimeout();
        }

        foreach (var client in clients)
        {
            await client.ExpectFinAsync();
            client.Dispose();
        }

        foreach (var handle in handles)
        {
            handle.Dispose();
        }
    }

    [Fact]
    public async Task A_duplicated_Unix_socket_keeps_its_file()
    {
        using var path = new SocketPath();
        await using var transport = Create(AcceptMode.SharedListener);
        var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));
        using var handle = Assert.Single(BalanceTests.MonitorOf(transport).Endpoints[0].DuplicateSockets());
        await listener.UnbindAsync().DefaultTimeout();

        using var client = await RawClient.ConnectAsync(new UnixDomainSocketEndPoint(path.Path));

        await ServeNextAsync(transport, (int)handle.DangerousGetHandle(), client);
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 0)]
    public async Task Duplicates_are_inherited_only_on_demand(bool inheritable, int closeOnExec)
    {
        await using var transport = Create(AcceptMode.SharedListener);
        await transport.BindAsync();

        using var handle = Assert.Single(BalanceTests.MonitorOf(transport).Endpoints[0].DuplicateSockets(inheritable));

        Assert.Equal(closeOnExec, Libc.fcntl((int)handle.DangerousGetHandle(), Libc.F_GETFD));
    }

    private static TestTransport Create(
        AcceptMode mode,
        ApplicationScheduling scheduling = ApplicationScheduling.Adaptive,
        Action<EventLoopTransportOptions>? configure = null)
        => new(scheduling, options =>
        {
            options.EventLoopCount = 4;
            options.EndpointDefaults.AcceptMode = mode;
            configure?.Invoke(options);
        });

    private static void Share(EventLoopTransportOptions options, TimeSpan period)
    {
        options.EndpointDefaults.ReusePort = true;
        options.EndpointDefaults.AcceptBatchSize = 1024;
        options.EndpointDefaults.TakeoverPeriod = period;
    }

    private static Task<RawClient[]> ConnectAsync(EndPoint endPoint, int count)
        => Task.WhenAll(Enumerable.Range(0, count).Select(_ => RawClient.ConnectAsync(endPoint)));

    /// <summary>
    /// What comes now goes to the others, and at once: a lost first segment would be repeated after a second.
    /// </summary>
    private static async Task AssertOthersGetAllAsync(TestTransport stopping, params TestTransport[] others)
    {
        var endPoint = BalanceTests.MonitorOf(stopping).Endpoints[0].EndPoint;
        var own = Accepted(stopping);
        var total = own + others.Sum(Accepted);

        // Until a stretch that chance does not bring about.
        var misses = 0;
        for (var stretch = 0; stretch < 50; stretch++)
        {
            (await RawClient.ConnectAsync(endPoint)).Dispose();
            total++;
            await Poll.UntilAsync(
                () => AcceptedByAll() >= total, () => $"{AcceptedByAll()} of {total}, {Accepted(stopping)} by itself.");

            // A test beside this one may have tried a port that nobody listened on until now.
            total = AcceptedByAll();
            if (own != Accepted(stopping))
            {
                Assert.True(++misses < 350, $"It still gets connections: {own} of {total}.");
                await Task.Delay(100);
                own = Accepted(stopping);
                stretch = 0;
            }
        }

        Assert.All(others, static other => Assert.NotEqual(0, Accepted(other)));

        long AcceptedByAll() => Accepted(stopping) + others.Sum(Accepted);
    }

    private static long Accepted(TestTransport transport)
        => BalanceTests.MonitorOf(transport).Endpoints[0].AcceptedConnections;

    private static async Task ServeNextAsync(TestTransport transport, int fd, RawClient client)
    {
        var listener = await transport.BindAsync(new FileHandleEndPoint((ulong)fd, FileHandleType.Auto));
        var serving = ServeAsync((await listener.AcceptAsync().DefaultTimeout())!);
        await Echo.RoundTripAsync(client);
        client.ShutdownSend();
        await serving.DefaultTimeout();
    }

    private static async Task ServeAsync(ConnectionContext connection)
    {
        await Echo.RunAsync(connection);
        await connection.DisposeAsync();
    }
}
