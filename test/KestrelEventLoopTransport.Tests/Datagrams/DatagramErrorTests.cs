using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>What the peer's system answers to datagrams (ICMP) ends nothing.</summary>
public sealed class DatagramErrorTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Answers_to_closed_ports_do_not_disturb_others(ApplicationScheduling scheduling)
    {
        await using var server = await DatagramServer.StartAsync(scheduling, DatagramScript.Echo);
        using var client = server.Connect();
        for (var i = 0; i < 200; i++)
        {
            using (var gone = server.Connect())
            {
                gone.Send([1]);
            }

            DatagramServer.RoundTrip(client, [2]);
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_connected_endpoint_reports_that_its_peer_is_gone_and_goes_on(ApplicationScheduling scheduling)
    {
        using var peer = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        peer.Bind(new IPEndPoint(IPAddress.Loopback, FreePort.Next()));
        var endPoint = (IPEndPoint)peer.LocalEndPoint!;
        await using var server = await DatagramServer.StartAsync(
            scheduling, DatagramScript.Echo, options => options.RemoteEndPoint = endPoint);
        DatagramServer.Receive(SendTo(peer, server));
        peer.Close();

        for (var i = 0; i < 300; i++)
        {
            Assert.Equal(DatagramSendStatus.Sent, server.Endpoint.Sender.Send([1]).Status);
        }

        await Poll.UntilAsync(() => !server.Script.Errors.IsEmpty);
        Assert.All(server.Script.Errors, static error => Assert.Equal(SocketError.ConnectionRefused, error.Error));

        using var returned = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
        {
            ReceiveTimeout = (int)TaskTimeoutExtensions.Default.TotalMilliseconds,
        };
        returned.Bind(endPoint);
        DatagramServer.Receive(SendTo(returned, server));
        await Poll.UntilAsync(() => server.Endpoint.SentDatagrams == 302);
        Assert.Equal(0, server.Endpoint.FailedSends);
    }

    private static Socket SendTo(Socket peer, DatagramServer server)
    {
        peer.ReceiveTimeout = (int)TaskTimeoutExtensions.Default.TotalMilliseconds;
        peer.SendTo([7], server.EndPoint);
        return peer;
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Every_datagram_to_a_peer_that_has_gone_is_sent(ApplicationScheduling scheduling)
    {
        const int Count = 32;
        using var isSent = new ManualResetEventSlim();
        using var peer = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        peer.Bind(new IPEndPoint(IPAddress.Loopback, FreePort.Next()));
        var remote = (IPEndPoint)peer.LocalEndPoint!;
        await using var server = await DatagramServer.StartAsync(
            scheduling,
            (_, sender) =>
            {
                isSent.Wait(TaskTimeoutExtensions.Default);
                peer.Dispose();
                for (var i = 0; i < Count; i++)
                {
                    sender.Send([1]);
                }
            },
            options => options.RemoteEndPoint = remote);
        peer.SendTo([1], server.EndPoint);
        isSent.Set();

        // On loopback each of them is refused before the next one is sent.
        await Poll.UntilAsync(() => server.Endpoint.SentDatagrams + server.Endpoint.FailedSends == Count);
        Assert.Equal(0, server.Endpoint.FailedSends);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_storm_of_refusals_ends_nothing_and_starves_nothing(ApplicationScheduling scheduling)
    {
        const int Count = 5_000;
        using var peer = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        peer.Bind(new IPEndPoint(IPAddress.Loopback, FreePort.Next()));
        var remote = (IPEndPoint)peer.LocalEndPoint!;
        await using var server = await DatagramServer.StartAsync(
            new TestSettings { Scheduling = scheduling, Transport = static options => options.EventLoopCount = 1 },
            DatagramScript.Echo,
            options => options.RemoteEndPoint = remote);
        peer.Close();
        using var connection = await RawClient.ConnectAsync(server.Tcp);

        var storm = Enumerable.Range(0, 2).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < Count; i++)
            {
                server.Endpoint.Sender.Send([1]);
            }
        })).ToList();
        for (var i = 0; i < 50; i++)
        {
            await Echo.RoundTripAsync(connection);
        }

        await Task.WhenAll(storm).DefaultTimeout();
        Assert.Equal(2 * Count, server.Endpoint.SentDatagrams + server.Endpoint.FailedSends);
        Assert.NotEqual(0, server.Endpoint.SentDatagrams);
        using var returned = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        returned.Bind(remote);
        DatagramServer.Receive(SendTo(returned, server));
        Assert.All(server.Script.Errors, static error => Assert.Equal(SocketError.ConnectionRefused, error.Error));
    }
}
