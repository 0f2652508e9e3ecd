using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Datagrams;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>Endpoints on a machine with several addresses and interfaces: in network namespaces.</summary>
[Collection(ProcessWide.Name)]
public sealed class NetworkTests : IAsyncLifetime
{
    private const int Port = 5454;

    private readonly NetworkPair _network = NetworkPair.Create();
    private readonly List<DatagramEndpoint> _endpoints = [];
    private DatagramServer? _server;

    public async ValueTask InitializeAsync()
        => _server = await DatagramServer.StartAsync(ApplicationScheduling.Adaptive, DatagramScript.Echo);

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_endpoints.Select(static endpoint => endpoint.StopAsync())).DefaultTimeout();
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        _network.Dispose();
    }

    [Theory]
    [InlineData("0.0.0.0", "10.77.0.1")]
    [InlineData("0.0.0.0", "10.77.0.3")]
    [InlineData("0.0.0.0", "10.78.0.1")]
    [InlineData("::", "10.77.0.3")]
    [InlineData("::", "fd77::1")]
    [InlineData("::", "fd78::1")]
    public void A_reply_leaves_from_the_address_that_the_question_came_to(string bound, string asked)
    {
        Bind(bound);
        var target = new IPEndPoint(IPAddress.Parse(asked), Port);
        using var client = ClientIn(target.AddressFamily);
        client.SendTo([1], target);

        Assert.Equal(target, ReceiveFrom(client));
    }

    [Theory]
    [InlineData("0.0.0.0", "239.1.1.1")]
    [InlineData("::", "239.1.1.1")]
    [InlineData("::", "ff02::77")]
    public void A_group_is_received_on_its_interface_only(string bound, string group)
    {
        var seen = new ConcurrentQueue<byte>();
        Bind(bound, options => options.Multicast.Groups.Add(new() { Address = group, Interface = "one1" }), seen);
        var address = IPAddress.Parse(group);
        using var wrong = Sender(address, "two0");
        using var right = Sender(address, "two1");

        wrong.SendTo([1], new IPEndPoint(address, Port));
        right.SendTo([2], new IPEndPoint(address, Port));

        Assert.Equal(Port, ReceiveFrom(right).Port);
        Assert.Equal((byte[])[2], seen);
    }

    [Theory]
    [InlineData("0.0.0.0", "239.1.1.1", "239.1.1.2")]
    [InlineData("::", "ff02::77", "ff02::78")]
    public void Several_groups_share_a_port_and_each_endpoint_gets_its_own(string bound, string first, string second)
    {
        var firstSeen = new ConcurrentQueue<byte>();
        var secondSeen = new ConcurrentQueue<byte>();
        Bind(bound, options => Join(options, first), firstSeen);
        Bind(bound, options => Join(options, second), secondSeen);
        using var client = Sender(IPAddress.Parse(first), "two0");

        client.SendTo([1], new IPEndPoint(IPAddress.Parse(first), Port));
        client.SendTo([2], new IPEndPoint(IPAddress.Parse(second), Port));

        ReceiveFrom(client);
        ReceiveFrom(client);
        Assert.Equal((byte[])[1], firstSeen);
        Assert.Equal((byte[])[2], secondSeen);

        static void Join(DatagramEndpointOptions options, string group)
        {
            // Not SO_REUSEPORT: Linux (seen on 6.18) passes IPv4 multicast to any socket of such a group of sockets.
            options.ConfigureSocket = static context
                => context.SetOption(Platform.SOL_SOCKET, Platform.SO_REUSEADDR, 1);
            options.Multicast.Groups.Add(new() { Address = group, Interface = "one0" });
        }
    }

    [Fact]
    public void A_group_of_a_source_is_received_from_it_alone()
    {
        var seen = new ConcurrentQueue<byte>();
        Bind(
            "0.0.0.0",
            static options => options.Multicast.Groups.Add(
                new() { Address = "232.1.1.1", Interface = "one0", Source = "10.77.0.4" }),
            seen);
        var group = IPAddress.Parse("232.1.1.1");
        using var other = Sender(group, "two0", "10.77.0.2");
        using var source = Sender(group, "two0", "10.77.0.4");

        other.SendTo([1], new IPEndPoint(group, Port));
        source.SendTo([2], new IPEndPoint(group, Port));

        ReceiveFrom(source);
        Assert.Equal((byte[])[2], seen);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("10.77.0.2")]
    public void A_group_is_joined_and_left_while_the_endpoint_runs(string? source)
    {
        var seen = new ConcurrentQueue<byte>();
        var endpoint = Bind("0.0.0.0", seen: seen);
        var group = new MulticastGroup { Address = "232.1.1.2", Interface = "one0", Source = source };
        var target = new IPEndPoint(IPAddress.Parse(group.Address), Port);
        using var client = Sender(target.Address, "two0", "10.77.0.2");

        // A datagram to the endpoint's own address is answered after what came before it.
        client.SendTo([1], target);
        RoundTrip(client, 2);

        // The name of an interface means one of the calling thread's namespace.
        _network.InOne(() => Change(() => endpoint.JoinGroup(group)));
        client.SendTo([3], target);
        ReceiveFrom(client);
        Assert.Equal(
            source is null ? SocketError.AddressAlreadyInUse : SocketError.AddressNotAvailable,
            JoinAgain().SocketErrorCode);

        _network.InOne(() => Change(() => endpoint.LeaveGroup(group)));
        client.SendTo([4], target);
        RoundTrip(client, 5);

        Assert.Equal((byte[])[2, 3, 5], seen);

        SocketException JoinAgain() => _network.InOne(
            () => Assert.Throws<SocketException>(() => endpoint.JoinGroup(group)));
    }

    [Fact]
    public void With_a_socket_for_each_loop_a_multicast_datagram_is_received_once()
    {
        var seen = new ConcurrentQueue<byte>();
        Bind(
            "0.0.0.0",
            static options =>
            {
                options.SocketPerLoop = true;
                options.Multicast.Groups.Add(new() { Address = "239.1.1.1", Interface = "one0" });
            },
            seen);
        var group = new IPEndPoint(IPAddress.Parse("239.1.1.1"), Port);
        using var client = Sender(group.Address, "two0");

        for (byte i = 0; i < 10; i++)
        {
            client.SendTo([i], group);
            ReceiveFrom(client);
        }

        Assert.Equal(Enumerable.Range(0, 10).Select(static i => (byte)i), seen);
        Assert.Equal(0, client.Available);
    }

    [Fact]
    public async Task An_endpoint_sends_to_a_group_by_its_interface()
    {
        var endpoint = Bind("0.0.0.0", static options =>
        {
            options.Multicast.Interface = "one1";
            options.Multicast.TimeToLive = 7;
        });
        var group = new IPEndPoint(IPAddress.Parse("239.1.1.9"), Port);
        using var client = _network.InTwo(() =>
        {
            var socket = NewSocket(AddressFamily.InterNetwork);
            socket.Bind(new IPEndPoint(IPAddress.Any, Port));
            socket.SetSocketOption(
                SocketOptionLevel.IP,
                SocketOptionName.AddMembership,
                new MulticastOption(group.Address, IPAddress.Parse("10.78.0.2")));
            return socket;
        });

        var result = await endpoint.Sender.SendAsync(
            new byte[] { 9 }, DatagramAddress.FromEndPoint(group), default, TestContext.Current.CancellationToken);

        Assert.Equal(DatagramSendStatus.Sent, result.Status);
        Assert.Equal(new IPEndPoint(IPAddress.Parse("10.78.0.1"), Port), ReceiveFrom(client));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Broadcasts_are_sent_with_the_option_only(bool isAllowed)
    {
        var endpoint = Bind("0.0.0.0", options => options.Broadcast = isAllowed);
        using var client = _network.InTwo(static () =>
        {
            var socket = NewSocket(AddressFamily.InterNetwork);
            socket.Bind(new IPEndPoint(IPAddress.Any, Port));
            return socket;
        });

        var result = endpoint.Sender.Send([1], DatagramAddress.FromEndPoint(IPEndPoint.Parse($"10.77.0.255:{Port}")));

        Assert.Equal(isAllowed ? SocketError.Success : SocketError.AccessDenied, result.Error);
        if (isAllowed)
        {
            Assert.Equal(IPEndPoint.Parse($"10.77.0.1:{Port}"), ReceiveFrom(client));
        }
    }

    [Fact]
    public async Task An_interface_that_does_not_exist_is_named()
    {
        var exception = await Assert.ThrowsAsync<SocketException>(() => DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive,
            DatagramScript.Echo,
            static options => options.Multicast.Groups.Add(new() { Address = "239.1.1.1", Interface = "none0" })));

        Assert.StartsWith(
            "the network interface none0 cannot be found", exception.Message, StringComparison.Ordinal);
    }

    /// <summary>
    /// Binds an endpoint in the first namespace, on the loops of a server elsewhere: a socket stays in the namespace of
    /// the thread that makes it. It answers what it receives, and records the first bytes.
    /// </summary>
    private DatagramEndpoint Bind(
        string address, Action<DatagramEndpointOptions>? configure = null, ConcurrentQueue<byte>? seen = null)
    {
        var options = new DatagramEndpointOptions();
        configure?.Invoke(options);
        var host = (IDatagramHost)_server!.Services.GetServices<IConnectionListenerFactory>()
            .OfType<EventLoopTransportFactory>().Last();
        var script = new DatagramScript
        {
            OnDatagrams = (datagrams, sender) =>
            {
                foreach (ref readonly var datagram in datagrams)
                {
                    seen?.Enqueue(datagram.Payload[0]);
                    sender.Reply(datagram.Payload, datagram);
                }
            },
        };
        var group = host.AcquireGroup();
        var endpoint = _network.InOne(() => DatagramEndpoint.Bind(
            new IPEndPoint(IPAddress.Parse(address), Port), options, new ScriptedHandler(script), group));
        _endpoints.Add(endpoint);
        endpoint.Start();
        return endpoint;
    }

    private Socket ClientIn(AddressFamily family)
        => _network.InTwo(() =>
        {
            var socket = NewSocket(family);
            socket.Bind(new IPEndPoint(family == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0));
            return socket;
        });

    private Socket Sender(IPAddress group, string interfaceName, string? source = null)
        => _network.InTwo(() =>
        {
            var socket = NewSocket(group.AddressFamily);
            MulticastSocket.Configure(
                (int)socket.Handle, group.AddressFamily, new MulticastOptions { Interface = interfaceName });
            var any = group.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any;
            socket.Bind(new IPEndPoint(source is null ? any : IPAddress.Parse(source), 0));
            return socket;
        });

    private static Socket NewSocket(AddressFamily family) => new(family, SocketType.Dgram, ProtocolType.Udp)
    {
        ReceiveTimeout = (int)TaskTimeoutExtensions.Default.TotalMilliseconds,
    };

    private static IPEndPoint ReceiveFrom(Socket client)
    {
        EndPoint from = new IPEndPoint(
            client.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        Assert.Equal(1, client.ReceiveFrom(new byte[16], ref from));
        return (IPEndPoint)from;
    }

    private static void RoundTrip(Socket client, byte value)
    {
        client.SendTo([value], IPEndPoint.Parse($"10.77.0.1:{Port}"));
        ReceiveFrom(client);
    }

    private static bool Change(Action change)
    {
        change();
        return true;
    }
}
