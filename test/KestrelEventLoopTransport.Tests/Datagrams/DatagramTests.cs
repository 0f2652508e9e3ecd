using System.Net;
using System.Net.Sockets;
using System.Text;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>What an endpoint receives and sends.</summary>
public sealed class DatagramTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Each_datagram_keeps_its_boundary(ApplicationScheduling scheduling)
    {
        await using var server = await DatagramServer.StartAsync(scheduling, DatagramScript.Echo);
        using var client = server.Connect();

        foreach (var length in (int[])[0, 1, 2, 127, 128, 1_200, 1_472, 1_473, 4_096, 9_000, 65_506, 65_507])
        {
            DatagramServer.RoundTrip(client, Pattern.Create(length));
        }

        Assert.Equal(12, server.Endpoint.ReceivedDatagrams);
        await Poll.UntilAsync(() => server.Endpoint.SentDatagrams == 12);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Each_of_many_peers_gets_its_own_answers(ApplicationScheduling scheduling)
    {
        await using var server = await DatagramServer.StartAsync(
            scheduling, DatagramScript.Echo, static options => options.ReceiveBufferSize = 4 * 1024 * 1024);
        var clients = Enumerable.Range(0, 200).Select(_ => server.Connect()).ToList();
        for (var i = 0; i < clients.Count; i++)
        {
            clients[i].Send(BitConverter.GetBytes(i));
        }

        for (var i = 0; i < clients.Count; i++)
        {
            Assert.Equal(i, BitConverter.ToInt32(DatagramServer.Receive(clients[i])));
            Assert.Equal(0, clients[i].Available);
            clients[i].Dispose();
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_truncated_datagram_says_so_and_how_long_it_was(ApplicationScheduling scheduling)
    {
        await using var server = await DatagramServer.StartAsync(
            scheduling,
            static (datagrams, sender) =>
            {
                foreach (var datagram in datagrams)
                {
                    var text = $"{datagram.Payload.Length} {datagram.Length} {datagram.IsTruncated}";
                    sender.Reply(Encoding.ASCII.GetBytes(text), datagram);
                }
            },
            static options => options.MaxDatagramSize = 100);
        using var client = server.Connect();

        foreach (var (length, expected) in ((int, string)[])
            [(99, "99 99 False"), (100, "100 100 False"), (101, "100 101 True"), (5_000, "100 5000 True"),
                (0, "0 0 False")])
        {
            client.Send(Pattern.Create(length));
            Assert.Equal(expected, Encoding.ASCII.GetString(DatagramServer.Receive(client)));
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_datagram_names_its_addresses_its_interface_and_its_traffic_class(
        ApplicationScheduling scheduling)
    {
        await using var server = await DatagramServer.StartAsync(
            scheduling,
            static (datagrams, sender) =>
            {
                foreach (var datagram in datagrams)
                {
                    var text = $"{datagram.RemoteAddress} {datagram.LocalAddress} {datagram.InterfaceIndex > 0} "
                        + $"{datagram.TrafficClass}";
                    sender.Reply(Encoding.ASCII.GetBytes(text), datagram);
                }
            });
        using var client = server.Connect();
        client.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.TypeOfService, 0xB9);

        client.Send("?"u8);

        Assert.Equal(
            $"{client.LocalEndPoint} {server.EndPoint} True {0xB9}",
            Encoding.ASCII.GetString(DatagramServer.Receive(client)));
    }

    [Fact]
    public async Task What_ConfigureSocket_asks_for_does_not_displace_the_traffic_class()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux tells the traffic class.");
        await using var server = await DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive,
            static (datagrams, sender) => sender.Reply([(byte)datagrams[0].TrafficClass], datagrams[0]),
            static options => options.ConfigureSocket = static socket =>
            {
                // SO_TIMESTAMPNS and IP_RECVTTL.
                socket.SetOption(1, 35, 1);
                socket.SetOption(0, 12, 1);
            },
            url: "udp://*:0");
        using var client = DatagramServer.Connect(new IPEndPoint(IPAddress.Loopback, server.EndPoint.Port));
        client.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.TypeOfService, 0xB8);

        client.Send("?"u8);

        Assert.Equal([0xB8], DatagramServer.Receive(client));
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.2")]
    [InlineData("127.1.2.3")]
    [InlineData("::1")]
    public async Task An_answer_leaves_from_the_address_that_the_question_came_to(string address)
    {
        await using var server = await DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive, DatagramScript.Echo, url: "udp://*:0");

        // A connected socket takes datagrams of its peer only.
        using var client = DatagramServer.Connect(new IPEndPoint(IPAddress.Parse(address), server.EndPoint.Port));

        DatagramServer.RoundTrip(client, Pattern.Create(100));
    }

    [Fact]
    public async Task An_answer_of_an_IPv4_endpoint_leaves_from_the_address_that_the_question_came_to()
    {
        await using var server = await DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive, DatagramScript.Echo, url: "udp://0.0.0.0:0");
        using var client = DatagramServer.Connect(new IPEndPoint(IPAddress.Parse("127.0.0.9"), server.EndPoint.Port));

        DatagramServer.RoundTrip(client, Pattern.Create(100));
    }

    [Theory]
    [InlineData("udp://127.0.0.3:0", "127.0.0.3", true)]
    [InlineData("udp://[::1]:0", "::1", true)]
    [InlineData("udp://[::ffff:127.0.0.3]:0", "127.0.0.3", true)]
    [InlineData("udp://0.0.0.0:0", "127.0.0.3", false)]
    [InlineData("udp://*:0", "127.0.0.3", false)]
    [InlineData("udp://*:0", "::1", false)]
    public async Task An_answer_names_its_source_only_where_the_socket_has_several_addresses(
        string url, string address, bool isLeftToTheKernel)
    {
        var isEmpty = false;
        await using var server = await DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive,
            (datagrams, sender) =>
            {
                isEmpty = datagrams[0].ReplySource.IsEmpty;
                DatagramScript.Echo(datagrams, sender);
            },
            options => options.DualMode = url.Contains("ffff", StringComparison.Ordinal) ? true : null,
            url: url);
        using var client = DatagramServer.Connect(new IPEndPoint(IPAddress.Parse(address), server.EndPoint.Port));

        DatagramServer.RoundTrip(client, Pattern.Create(100));

        Assert.Equal(isLeftToTheKernel || !OperatingSystem.IsLinux(), isEmpty);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Any_thread_sends_and_knows_the_result(ApplicationScheduling scheduling)
    {
        await using var server = await DatagramServer.StartAsync(
            scheduling, static (_, _) => { }, url: "udp://[::]:0");
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
        {
            ReceiveTimeout = (int)TaskTimeoutExtensions.Default.TotalMilliseconds,
        };
        client.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var address = DatagramAddress.FromEndPoint((IPEndPoint)client.LocalEndPoint!);

        Assert.Equal(DatagramSendStatus.Sent, server.Endpoint.Sender.Send("a"u8, address).Status);
        Assert.Equal("a"u8, DatagramServer.Receive(client));
        var sent = await server.Endpoint.Sender.SendAsync("b"u8.ToArray(), address);
        Assert.Equal(DatagramSendStatus.Sent, sent.Status);
        Assert.Equal("b"u8, DatagramServer.Receive(client));

        var tooLong = server.Endpoint.Sender.Send(new byte[65_536], address);
        Assert.Equal(new DatagramSendResult(DatagramSendStatus.Failed, SocketError.MessageSize), tooLong);
        Assert.Equal(1, server.Endpoint.FailedSends);
        Assert.Equal(2, server.Endpoint.SentDatagrams);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_datagram_that_the_kernel_refuses_does_not_stop_those_behind_it(
        ApplicationScheduling scheduling)
    {
        var failures = 0;
        var broadcast = DatagramAddress.FromEndPoint(new IPEndPoint(IPAddress.Broadcast, 9));
        await using var server = await DatagramServer.StartAsync(
            scheduling,
            (datagrams, sender) =>
            {
                foreach (var datagram in datagrams)
                {
                    sender.Reply("1"u8, datagram);
                    failures += sender.Send("x"u8, broadcast).Status == DatagramSendStatus.Failed ? 1 : 0;
                    failures += sender.Send("y"u8, broadcast).Status == DatagramSendStatus.Failed ? 1 : 0;
                    sender.Reply("2"u8, datagram);
                }
            });
        using var client = server.Connect();

        client.Send("?"u8);

        // What an overdue call sends is not in order with what it sent before.
        byte[][] answers = [DatagramServer.Receive(client), DatagramServer.Receive(client)];
        Assert.Equal("12"u8, answers.Select(static answer => Assert.Single(answer)).Order().ToArray());

        // The call itself gets the errors of what it sends when it is overdue.
        await Poll.UntilAsync(() => server.Script.Errors.Count + Volatile.Read(ref failures) == 2);
        Assert.All(
            server.Script.Errors, error => Assert.Equal((SocketError.AccessDenied, broadcast), error));
        Assert.Equal(2, server.Endpoint.FailedSends);
    }

    [Fact]
    public async Task A_datagram_is_not_valid_after_the_call()
    {
        Datagram kept = default;
        await using var server = await DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive,
            (datagrams, sender) =>
            {
                if (datagrams[0].Payload[0] == 1)
                {
                    kept = datagrams[0];
                }

                DatagramScript.Echo(datagrams, sender);
            });
        using var client = server.Connect();

        // An overdue call sends before it returns. The second begins after the first has returned.
        DatagramServer.RoundTrip(client, [1]);
        DatagramServer.RoundTrip(client, [2]);

        Assert.Throws<InvalidOperationException>(() => kept.Length);
        Assert.Throws<InvalidOperationException>(() => default(Datagram).Length);
    }

    [Fact]
    public async Task A_handler_that_throws_ends_nothing()
    {
        await using var server = await DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive,
            static (datagrams, sender) =>
            {
                DatagramScript.Echo(datagrams, sender);
                throw new InvalidOperationException("planned");
            });
        using var client = server.Connect();

        DatagramServer.RoundTrip(client, [1]);
        DatagramServer.RoundTrip(client, [2]);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task With_a_socket_for_each_loop_every_peer_is_answered(ApplicationScheduling scheduling)
    {
        await using var server = await DatagramServer.StartAsync(
            scheduling, DatagramScript.Echo, static options => options.SocketPerLoop = true);
        for (var i = 0; i < 50; i++)
        {
            using var client = server.Connect();
            DatagramServer.RoundTrip(client, Pattern.Create(i));
        }

        Assert.Equal(50, server.Endpoint.ReceivedDatagrams);
    }
}
