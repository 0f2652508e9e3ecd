using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Balancing;

[Trait("Contract", "8")]
[FailsOnStock("Options of ours.")]
public sealed class ListenerPerLoopTests
{
    private const int Loops = 4;

    public static TheoryData<string> Addresses => ["127.0.0.1", "0.0.0.0", "::1", "::"];

    [Theory]
    [MemberData(nameof(Addresses))]
    public async Task Port_0_is_one_port_with_a_listening_socket_per_loop(string address)
    {
        await using var transport = Create();

        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Parse(address), 0));

        Assert.NotEqual(0, ((IPEndPoint)listener.EndPoint).Port);
        Assert.Equal(Loops, ListeningSockets.FindDescriptors(listener.EndPoint).Count);
    }

    [Theory]
    [MemberData(nameof(Addresses))]
    public async Task Every_socket_gets_connections_and_none_is_lost(string address)
    {
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Connection = Echo.RunAsync,
            EndPoint = new IPEndPoint(IPAddress.Parse(address), 0),
            Transport = static options =>
            {
                options.EventLoopCount = Loops;
                options.EndpointDefaults.AcceptMode = AcceptMode.ListenerPerLoop;
                options.EndpointDefaults.CustomLoadBalancer
                    = static (in LoadBalancingContext context) => context.AcceptingLoop;
            },
        });
        var loopback = address.Contains(':', StringComparison.Ordinal) ? IPAddress.IPv6Loopback : IPAddress.Loopback;

        await Parallel.ForAsync(0, 200, async (_, _) =>
        {
            using var client = await RawClient.ConnectAsync(
                new IPEndPoint(loopback, ((IPEndPoint)server.EndPoint).Port));
            await Echo.RoundTripAsync(client);
        });

        var loops = server.Monitor.GetLoopStatistics();
        Assert.Equal(200, loops.Sum(static loop => loop.TotalConnections));
        Assert.All(loops, static loop => Assert.NotEqual(0, loop.TotalConnections));
    }

    [Theory]
    [MemberData(nameof(ModeData.WithSchedulings), MemberType = typeof(ModeData))]
    public async Task A_second_listener_of_the_process_is_refused(ApplicationScheduling scheduling, AcceptMode mode)
    {
        await using var first = Create(mode, scheduling);
        await using var second = Create(AcceptMode.ListenerPerLoop, scheduling);
        var listener = await first.BindAsync();

        await Assert.ThrowsAsync<AddressInUseException>(() => second.BindAsync(listener.EndPoint));
        await Assert.ThrowsAsync<AddressInUseException>(() => first.BindAsync(listener.EndPoint));

        await using var pair = await first.ConnectAsync(listener);
    }

    [Theory]
    [MemberData(nameof(Addresses))]
    public async Task A_server_that_shares_by_itself_is_respected(string address)
    {
        var endPoint = new IPEndPoint(IPAddress.Parse(address), 0);
        using var occupant = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        occupant.SetRawSocketOption(Libc.SOL_SOCKET, Libc.SO_REUSEPORT, BitConverter.GetBytes(1));
        occupant.Bind(endPoint);
        occupant.Listen();
        await using var transport = Create();

        await Assert.ThrowsAsync<AddressInUseException>(() => transport.BindAsync(occupant.LocalEndPoint!));
    }

    // The kernel lets it in: it is of the same user and asks for sharing. It must not take connections away.
    [Theory]
    [MemberData(nameof(Addresses))]
    public async Task A_socket_that_forces_its_way_in_gets_no_connections(string address)
    {
        await using var transport = Create();
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Parse(address), 0));
        using var intruder = new Socket(listener.EndPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        intruder.SetRawSocketOption(Libc.SOL_SOCKET, Libc.SO_REUSEPORT, BitConverter.GetBytes(1));
        intruder.Bind(listener.EndPoint);
        intruder.Listen();
        var loopback = listener.EndPoint.AddressFamily == AddressFamily.InterNetworkV6
            ? IPAddress.IPv6Loopback
            : IPAddress.Loopback;

        for (var i = 0; i < 100; i++)
        {
            using var client = await RawClient.ConnectAsync(
                new IPEndPoint(loopback, ((IPEndPoint)listener.EndPoint).Port));
            await using var connection = await listener.AcceptAsync().DefaultTimeout();
            Assert.Equal(client.Socket.LocalEndPoint!.ToString(), connection!.RemoteEndPoint!.ToString());
        }
    }

    [Fact]
    public async Task Who_opts_in_shares()
    {
        await using var first = Create(configure: static options => options.EndpointDefaults.ReusePort = true);
        await using var second = Create(
            AcceptMode.SharedListener, configure: static options => options.EndpointDefaults.ReusePort = true);
        var listener = await first.BindAsync();

        await second.BindAsync(listener.EndPoint);

        Assert.Equal(Loops + 1, ListeningSockets.FindDescriptors(listener.EndPoint).Count);
    }

    [Fact]
    public async Task Who_does_not_opt_in_is_refused_by_one_that_has()
    {
        await using var first = Create(configure: static options => options.EndpointDefaults.ReusePort = true);
        await using var second = Create();
        var listener = await first.BindAsync();

        await Assert.ThrowsAsync<AddressInUseException>(() => second.BindAsync(listener.EndPoint));
    }

    [Fact]
    public async Task Other_endpoints_have_one_listener()
    {
        using var path = new SocketPath();
        await using var transport = Create();

        var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));

        await using var pair = await transport.ConnectAsync(listener);
        Assert.Single(Assert.Single(BalanceTests.MonitorOf(transport).Endpoints).DuplicateSockets()).Dispose();
    }

    private static TestTransport Create(
        AcceptMode mode = AcceptMode.ListenerPerLoop,
        ApplicationScheduling scheduling = ApplicationScheduling.Adaptive,
        Action<EventLoopTransportOptions>? configure = null)
        => new(scheduling, options =>
        {
            options.EventLoopCount = Loops;
            options.EndpointDefaults.AcceptMode = mode;
            configure?.Invoke(options);
        });
}
