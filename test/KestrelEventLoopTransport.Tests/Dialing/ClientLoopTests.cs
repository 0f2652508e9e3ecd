using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>The loops of a client: which one serves a connection, and that none is blocked or left behind.</summary>
[Trait("Contract", "client")]
[Collection(ProcessWide.Name)]
[FailsOnStock("Stock's client is internal.")]
public sealed class ClientLoopTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_handler_can_dial_its_own_server_with_one_loop(ApplicationScheduling scheduling)
    {
        EventLoopConnectionFactory? client = null;
        EndPoint? endPoint = null;
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Transport = static options => options.EventLoopCount = 1,
            Connection = ForwardAsync,
        });
        client = server.Services.GetRequiredService<EventLoopConnectionFactory>();
        endPoint = server.EndPoint;
        using var peer = await server.ConnectAsync();

        // Each hop takes one byte away and dials the next: ten connections, all waiting for each other.
        await peer.SendAsync(new byte[] { 10 });

        Assert.Equal([0], await peer.ReceiveExactlyAsync(1));

        async Task ForwardAsync(ConnectionContext connection)
        {
            var hops = await ReadByteAsync(connection);
            if (hops > 0)
            {
                await using var next = await client!.ConnectAsync(endPoint!);
                await next.Transport.Output.WriteAsync(new[] { (byte)(hops - 1) });
                hops = await ReadByteAsync(next);
            }

            await connection.Transport.Output.WriteAsync(new[] { hops });
        }
    }

    // What blocks is handed off, so that even a wait on the loop's thread ends.
    [Fact]
    public async Task A_handler_that_blocks_on_its_dial_goes_on()
    {
        EventLoopConnectionFactory? client = null;
        await using var target = await TestServer.StartAsync(ApplicationScheduling.Adaptive, Echo.RunAsync);
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Transport = static options => options.EventLoopCount = 1,
            Connection = async connection =>
            {
                var value = await ReadByteAsync(connection);
                await using (client!.ConnectAsync(target.EndPoint).AsTask().GetAwaiter().GetResult())
                {
                    await connection.Transport.Output.WriteAsync(new[] { value });
                }
            },
        });
        client = server.Services.GetRequiredService<EventLoopConnectionFactory>();
        using var peer = await server.ConnectAsync();
        await peer.SendAsync(new byte[] { 7 });

        Assert.Equal([7], await peer.ReceiveExactlyAsync(1));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_thousand_dials_at_once_connect_and_leave_nothing(ApplicationScheduling scheduling)
    {
        const int Count = 1000;
        await using var server = await TestServer.StartAsync(scheduling, Echo.RunAsync);
        var client = server.Services.GetRequiredService<EventLoopConnectionFactory>();
        var start = ProcessState.Capture();

        await Task.WhenAll(Enumerable.Range(0, Count).Select(async number =>
        {
            await using var connection = await client.ConnectAsync(server.EndPoint);
            await connection.Transport.Output.WriteAsync(Pattern.Create(50, number));
            var result = await connection.Transport.Input.ReadAtLeastAsync(50);
            Assert.Equal(50, result.Buffer.Length);
            connection.Transport.Input.AdvanceTo(result.Buffer.End);
        })).DefaultTimeout();

        await Poll.UntilAsync(() => server.Monitor.ConnectionCount == 0);
        await Poll.UntilAsync(() => ProcessState.Capture().HasNoMoreDescriptorsThan(start));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Dials_that_fail_or_are_canceled_leave_nothing(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(scheduling, Echo.RunAsync);
        var client = server.Services.GetRequiredService<EventLoopConnectionFactory>();
        using var deaf = new DeafListener(new IPEndPoint(IPAddress.Loopback, 0));
        var refused = new IPEndPoint(IPAddress.Loopback, FreePort.Next());
        var start = ProcessState.Capture();

        for (var i = 0; i < 200; i++)
        {
            using var cancellation = new CancellationTokenSource();
            var canceled = client.ConnectAsync(deaf.EndPoint, cancellation.Token).AsTask();
            var raced = client.ConnectAsync(server.EndPoint, cancellation.Token).AsTask();
            await Assert.ThrowsAsync<SocketException>(() => client.ConnectAsync(refused).DefaultTimeout());
            await cancellation.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => canceled.DefaultTimeout());
            try
            {
                await (await raced.DefaultTimeout()).DisposeAsync();
            }
            catch (OperationCanceledException)
            {
            }
        }

        await Poll.UntilAsync(() => server.Monitor.ConnectionCount == 0);
        await Poll.UntilAsync(() => ProcessState.Capture().HasNoMoreDescriptorsThan(start));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_loops_of_a_client_alone_end_with_its_last_connection(ApplicationScheduling scheduling)
    {
        using var listener = Listen();
        await using var services = new ServiceCollection()
            .AddEventLoopClient()
            .Configure<EventLoopTransportOptions>(options =>
            {
                options.EventLoopCount = 2;
                options.Scheduling = scheduling;
            })
            .BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });
        var client = services.GetRequiredService<IConnectionFactory>();
        var monitor = services.GetRequiredService<EventLoopTransportMonitor>();
        for (var round = 0; round < 2; round++)
        {
            var start = ProcessState.Capture();
            var connection = await client.ConnectAsync(listener.LocalEndPoint!).DefaultTimeout();
            Assert.Equal(1, monitor.ConnectionCount);
            (await listener.AcceptAsync().DefaultTimeout()).Dispose();

            await connection.DisposeAsync().DefaultTimeout();

            await Poll.UntilAsync(() => ProcessState.Capture().HasNoMoreDescriptorsThan(start));
            Assert.Equal(0, monitor.ConnectionCount);
        }
    }

    // The peer answers while it reads: without a loop that receives this, closing would reset the connection.
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task What_the_last_connection_of_a_client_alone_wrote_arrives(ApplicationScheduling scheduling)
    {
        const int Length = 2_000_000;
        using var listener = Listen();
        await using var services = new ServiceCollection()
            .AddEventLoopClient()
            .Configure<EventLoopTransportOptions>(options =>
            {
                options.EventLoopCount = 1;
                options.Scheduling = scheduling;
            })
            .BuildServiceProvider();
        var start = ProcessState.Capture();
        var connection = await services.GetRequiredService<IConnectionFactory>()
            .ConnectAsync(listener.LocalEndPoint!).DefaultTimeout();
        var peer = await listener.AcceptAsync().DefaultTimeout();
        await peer.SendAsync(new byte[10]);
        var write = connection.Transport.Output.WriteAsync(new byte[Length]).AsTask();
        var receive = Task.Run(async () =>
        {
            var buffer = new byte[16 * 1024];
            var received = 0;
            while (await peer.ReceiveAsync(buffer) is > 0 and var count)
            {
                received += count;
                await peer.SendAsync(new byte[1]);
            }

            return received;
        });
        await write.DefaultTimeout();

        await connection.DisposeAsync().DefaultTimeout();

        Assert.Equal(Length, await receive.DefaultTimeout());
        peer.Dispose();
        await Poll.UntilAsync(() => ProcessState.Capture().HasNoMoreDescriptorsThan(start));
    }

    // A listener would keep the loops, and with them their memory.
    [Fact]
    public async Task A_connection_of_a_client_alone_can_be_used_until_it_is_disposed()
    {
        using var listener = Listen();
        await using var services = new ServiceCollection().AddEventLoopClient().BuildServiceProvider();
        var monitor = services.GetRequiredService<EventLoopTransportMonitor>();
        var start = ProcessState.Capture();
        var connection = await services.GetRequiredService<IConnectionFactory>()
            .ConnectAsync(listener.LocalEndPoint!).DefaultTimeout();
        new RawClient(await listener.AcceptAsync().DefaultTimeout()).Reset();

        await Assert.ThrowsAsync<ConnectionResetException>(() => ReadByteAsync(connection).DefaultTimeout());
        await Poll.UntilAsync(() => monitor.ConnectionCount == 0);

        Assert.NotEmpty(monitor.GetLoopStatistics());
        Assert.False(((StreamConnection)connection).Loop.IsStopping);
        Assert.True((await connection.Transport.Output.WriteAsync(new byte[10]).DefaultTimeout()).IsCompleted);
        await connection.DisposeAsync().DefaultTimeout();
        await Poll.UntilAsync(() => ProcessState.Capture().HasNoMoreDescriptorsThan(start));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_connection_goes_to_the_loop_that_it_is_opened_on(bool prefers)
    {
        EventLoopConnectionFactory? client = null;
        await using var target = await TestServer.StartAsync(ApplicationScheduling.Adaptive, Echo.RunAsync);
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Inline,
            Transport = static options => options.EventLoopCount = 4,
            Client = options => options.PrefersCallingLoop = prefers,
            Connection = async connection =>
            {
                await ReadByteAsync(connection);
                var loop = ((StreamConnection)connection).Loop;
                var isOnLoop = loop.IsCurrent;
                await using var dialed = await client!.ConnectAsync(target.EndPoint);
                var isSame = ((StreamConnection)dialed).Loop == loop;
                var place = isOnLoop ? (isSame ? "same"u8 : "not the same"u8) : "?"u8;
                await connection.Transport.Output.WriteAsync(place[..1].ToArray());
            },
        });
        client = server.Services.GetRequiredService<EventLoopConnectionFactory>();
        var places = "";
        await Poll.UntilAsync(async () =>
        {
            using var peer = await server.ConnectAsync();
            await peer.SendAsync(new byte[] { 1 });
            places += await peer.ReceiveTextAsync(1);
            return places.Length >= 12 && places.Contains(prefers ? 's' : 'n', StringComparison.Ordinal);
        });

        Assert.Equal(!prefers, places.Contains('n', StringComparison.Ordinal));
    }

    /// <summary>A listener without loops.</summary>
    private static Socket Listen()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return listener;
    }

    private static async Task<byte> ReadByteAsync(ConnectionContext connection)
    {
        var result = await connection.Transport.Input.ReadAtLeastAsync(1);
        var value = result.Buffer.FirstSpan[0];
        connection.Transport.Input.AdvanceTo(result.Buffer.End);
        return value;
    }
}
