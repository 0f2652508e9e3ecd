using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Balancing;

/// <summary>What becomes of connections in the kernel's queue when a listener stops, and of those that come then.</summary>
[Trait("Contract", "24")]
[Trait("Stock", "fails")]
public sealed class HandOverTests
{
    private const int SO_GET_FILTER = 26;

    private static readonly TimeSpan _longerThanATest = TimeSpan.FromMinutes(1);

    [Theory]
    [MemberData(nameof(ModeData.WithSchedulings), MemberType = typeof(ModeData))]
    public async Task Connections_in_the_queue_at_unbind_are_accepted_and_served(ApplicationScheduling scheduling, AcceptMode mode)
    {
        // The acceptors themselves take one ahead: the rest waits in the kernel.
        await using var transport = Create(mode, scheduling, static options => options.AcceptBatchSize = 1);
        var listener = await transport.BindAsync();
        var clients = await ConnectAsync(listener.EndPoint, 20);
        var state = Assert.Single(BalanceTests.StateOf(transport).Listeners);
        Assert.True(state.AcceptedConnections <= 4);

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
        Assert.Equal(0, BalanceTests.StateOf(transport).ConnectionCount);
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
        var port = ((IPEndPoint)old.EndPoint).Port;
        var sockets = ListeningSockets.FindDescriptors(port);
        var waiting = await ConnectAsync(old.EndPoint, 10);
        var successor = await second.BindAsync(old.EndPoint);

        var unbind = old.UnbindAsync().AsTask();
        await Poll.UntilAsync(() => sockets.All(HasFilter));

        // What comes now goes to the successor, and at once: the old one would not answer before the time is over.
        await AcceptAllAsync(successor, 50);
        Assert.False(unbind.IsCompleted);

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
        var accepted = BalanceTests.StateOf(second).Listeners[0];
        await Poll.UntilAsync(() => accepted.AcceptedConnections - 50 + BalanceTests.StateOf(third).Listeners[0].AcceptedConnections == 200);
        Assert.InRange(accepted.AcceptedConnections - 50, 1, 199);
        Assert.Equal(successor.EndPoint, next.EndPoint);
        Array.ForEach(clients, static client => client.Dispose());
    }

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
        await using var first = Create(AcceptMode.SharedListener, configure: static options => Share(options, _longerThanATest));
        await using var second = Create(AcceptMode.SharedListener, configure: static options => Share(options, TimeSpan.Zero));
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
        var state = Assert.Single(BalanceTests.StateOf(first).Listeners);
        var handles = state.DuplicateSockets();
        Assert.Equal(mode == AcceptMode.SharedListener ? 1 : 4, handles.Count);
        await listener.UnbindAsync().DefaultTimeout();
        await listener.DisposeAsync().DefaultTimeout();
        Assert.Throws<ObjectDisposedException>(() => state.DuplicateSockets());

        var clients = await ConnectAsync(listener.EndPoint, 20);

        var successors = new List<IConnectionListener>();
        foreach (var handle in handles)
        {
            successors.Add(await second.BindAsync(new FileHandleEndPoint((ulong)handle.DangerousGetHandle(), FileHandleType.Auto)));
        }
        await Poll.UntilAsync(() => BalanceTests.StateOf(second).Listeners.Sum(static l => l.AcceptedConnections) == 20);
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
        using var handle = Assert.Single(BalanceTests.StateOf(transport).Listeners[0].DuplicateSockets());
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

        using var handle = Assert.Single(BalanceTests.StateOf(transport).Listeners[0].DuplicateSockets(inheritable));

        Assert.Equal(closeOnExec, Libc.fcntl((int)handle.DangerousGetHandle(), Libc.F_GETFD));
    }

    private static TestTransport Create(
        AcceptMode mode,
        ApplicationScheduling scheduling = ApplicationScheduling.Adaptive,
        Action<EventLoopTransportOptions>? configure = null)
        => new(scheduling, options =>
        {
            options.EventLoopCount = 4;
            options.AcceptMode = mode;
            configure?.Invoke(options);
        });

    private static void Share(EventLoopTransportOptions options, TimeSpan period)
    {
        options.ReusePort = true;
        options.AcceptBatchSize = 1024;
        options.HandOverPeriod = period;
    }

    private static Task<RawClient[]> ConnectAsync(EndPoint endPoint, int count)
        => Task.WhenAll(Enumerable.Range(0, count).Select(_ => RawClient.ConnectAsync(endPoint)));

    private static async Task AcceptAllAsync(IConnectionListener listener, int count)
    {
        for (var i = 0; i < count; i++)
        {
            using var client = await RawClient.ConnectAsync(listener.EndPoint);
            await using var connection = await listener.AcceptAsync().DefaultTimeout();
            Assert.Equal(client.Socket.LocalEndPoint, connection!.RemoteEndPoint);
        }
    }

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

    // For SO_GET_FILTER, the length is the number of instructions.
    private static unsafe bool HasFilter(int fd)
    {
        uint length = 0;
        Assert.Equal(0, Libc.getsockopt(fd, Libc.SOL_SOCKET, SO_GET_FILTER, null, &length));
        return length > 0;
    }
}
