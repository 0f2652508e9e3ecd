using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Tests.Listening;

public sealed class AcceptTests
{
    private const int O_NONBLOCK = 0x800;
    private const int O_CLOEXEC = 0x80000;

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "11")]
    public async Task AcceptAsync_returns_null_after_unbind_and_after_dispose(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync();

        await listener.UnbindAsync().DefaultTimeout();
        Assert.Null(await listener.AcceptAsync().DefaultTimeout());
        Assert.Null(await listener.AcceptAsync().DefaultTimeout());

        await listener.DisposeAsync().DefaultTimeout();
        Assert.Null(await listener.AcceptAsync().DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "11")]
    public async Task A_pending_AcceptAsync_returns_null_at_unbind(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync();
        var accept = listener.AcceptAsync().AsTask();
        Assert.False(accept.IsCompleted);

        await listener.UnbindAsync().DefaultTimeout();

        Assert.Null(await accept.DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "11")]
    public async Task A_pending_AcceptAsync_returns_null_at_dispose_without_unbind(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync();
        var accept = listener.AcceptAsync().AsTask();

        await listener.DisposeAsync().DefaultTimeout();

        Assert.Null(await accept.DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "11")]
    public async Task Unbind_and_dispose_may_be_repeated(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync();

        for (var i = 0; i < 2; i++)
        {
            await listener.UnbindAsync().DefaultTimeout();
        }

        for (var i = 0; i < 2; i++)
        {
            await listener.DisposeAsync().DefaultTimeout();
        }

        Assert.Null(await listener.AcceptAsync().DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "11")]
    public async Task A_cancelled_accept_throws_and_loses_no_connection(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync();
        using var cancellation = new CancellationTokenSource();
        var accept = listener.AcceptAsync(cancellation.Token).AsTask();
        Assert.False(accept.IsCompleted);

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => accept.DefaultTimeout());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => listener.AcceptAsync(cancellation.Token).DefaultTimeout());

        await using var pair = await transport.ConnectAsync(listener);
        Assert.Equal(pair.Client.Socket.LocalEndPoint, pair.Connection.RemoteEndPoint);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "11")]
    public async Task Connections_made_before_the_first_accept_are_accepted(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync();
        var clients = new List<RawClient>();
        for (var i = 0; i < 20; i++)
        {
            clients.Add(await RawClient.ConnectAsync(listener.EndPoint));
        }

        var remotes = new HashSet<EndPoint?>();
        for (var i = 0; i < clients.Count; i++)
        {
            await using var connection = await listener.AcceptAsync().DefaultTimeout();
            remotes.Add(connection!.RemoteEndPoint);
        }

        Assert.Equal(clients.Select(static c => c.Socket.LocalEndPoint).ToHashSet(), remotes);
        clients.ForEach(static client => client.Dispose());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "11")]
    public async Task Connections_reset_in_the_backlog_do_not_end_accepting(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync();
        for (var i = 0; i < 10; i++)
        {
            (await RawClient.ConnectAsync(listener.EndPoint)).Reset();
        }

        using var client = await RawClient.ConnectAsync(listener.EndPoint);
        EndPoint? remote;
        do
        {
            await using var connection = await listener.AcceptAsync().DefaultTimeout();
            Assert.NotNull(connection);
            remote = connection.RemoteEndPoint;
        }
        while (!client.Socket.LocalEndPoint!.Equals(remote));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "11")]
    public async Task A_server_survives_a_storm_of_connects_and_resets(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(scheduling, Echo.RunAsync);
        await Parallel.ForAsync(0, 300, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, _) =>
        {
            using var client = await server.ConnectAsync();
            if (i % 3 == 0)
            {
                await client.SendAsync(Pattern.Create(10));
            }

            if (i % 2 == 0)
            {
                client.Reset();
            }
        });

        using var last = await server.ConnectAsync();
        await Echo.RoundTripAsync(last);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "12")]
    public async Task Accepted_descriptors_are_close_on_exec_and_non_blocking(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        await using var pair = await transport.ConnectAsync();
        var read = pair.Input.ReadAsync();
        var fd = (int)pair.Connection.Features.Get<IConnectionSocketFeature>()!.Socket.Handle;

        // Stock sets O_NONBLOCK with the first receive, on another thread.
        await Poll.UntilAsync(() => (ProcessState.DescriptorFlags(fd) & O_NONBLOCK) != 0);
        Assert.NotEqual(0, ProcessState.DescriptorFlags(fd) & O_CLOEXEC);

        pair.Client.ShutdownSend();
        Assert.True((await read.DefaultTimeout()).IsCompleted);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "12")]
    public async Task NoDelay_follows_the_option(ApplicationScheduling scheduling)
    {
        foreach (var noDelay in new[] { true, false })
        {
            await using var transport = new TestTransport(scheduling, options => options.NoDelay = noDelay);
            await using var pair = await transport.ConnectAsync();

            var socket = pair.Connection.Features.Get<IConnectionSocketFeature>()!.Socket;

            Assert.Equal(noDelay ? 1 : 0, socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.NoDelay));
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "13")]
    public async Task A_connection_that_nobody_holds_is_not_collected(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync();
        var clients = new List<RawClient>();
        for (var i = 0; i < 10; i++)
        {
            clients.Add(await RawClient.ConnectAsync(listener.EndPoint));
            await AcceptAndForgetAsync(listener);
        }

        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        foreach (var client in clients)
        {
            await Echo.RoundTripAsync(client);
            client.ShutdownSend();
            await client.ExpectFinAsync();
            client.Dispose();
        }
    }

    private static async Task AcceptAndForgetAsync(IConnectionListener listener)
    {
        var connection = await listener.AcceptAsync().DefaultTimeout();
        _ = ServeAsync(connection!);

        static async Task ServeAsync(ConnectionContext connection)
        {
            await Echo.RunAsync(connection);
            await connection.DisposeAsync();
        }
    }
}
