using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>Many peers, on one socket and on a socket for each loop.</summary>
public sealed class DatagramFlowTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Each_flow_stays_with_one_socket_of_several(ApplicationScheduling scheduling)
    {
        const int Rounds = 20;
        var flows = new ConcurrentDictionary<DatagramAddress, ConcurrentDictionary<DatagramSender, int>>();
        await using var server = await DatagramServer.StartAsync(
            scheduling,
            (datagrams, sender) =>
            {
                foreach (ref readonly var datagram in datagrams)
                {
                    flows.GetOrAdd(datagram.RemoteAddress, static _ => new()).TryAdd(sender, 0);
                }

                DatagramScript.Echo(datagrams, sender);
            },
            static options => options.SocketPerLoop = true,
            loops: 4);
        var clients = Enumerable.Range(0, 64).Select(_ => server.Connect()).ToList();
        for (byte round = 0; round < Rounds; round++)
        {
            clients.ForEach(client => client.Send([round]));
            clients.ForEach(client => Assert.Equal([round], DatagramServer.Receive(client)));
        }

        clients.ForEach(static client => client.Dispose());
        Assert.Equal(64, flows.Count);
        Assert.All(flows.Values, static senders => Assert.Single(senders));

        // The kernel hashes by addresses and ports: that all 64 meet in one of four is out of the question.
        Assert.True(flows.Values.SelectMany(static senders => senders.Keys).Distinct().Count() > 1);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Ten_thousand_peers_get_their_own_answers(ApplicationScheduling scheduling)
    {
        const int AtOnce = 250;
        await using var server = await DatagramServer.StartAsync(
            scheduling,
            DatagramScript.Echo,
            static options => options.ReceiveBufferSize = 4 * 1024 * 1024,
            url: "udp://0.0.0.0:0");
        for (var first = 0; first < 10_000; first += AtOnce)
        {
            // Each of them has an address of its own.
            var peers = Enumerable.Range(first, AtOnce).Select(number => (number, Socket: Bind(number))).ToList();
            foreach (var (number, socket) in peers)
            {
                socket.SendTo(
                    BitConverter.GetBytes(number), new IPEndPoint(IPAddress.Loopback, server.EndPoint.Port));
            }

            foreach (var (number, socket) in peers)
            {
                Assert.Equal(number, BitConverter.ToInt32(DatagramServer.Receive(socket)));
                Assert.Equal(0, socket.Available);
                socket.Dispose();
            }
        }

        Assert.Equal(10_000, server.Endpoint.ReceivedDatagrams);
    }

    private static Socket Bind(int number)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
        {
            ReceiveTimeout = (int)TaskTimeoutExtensions.Default.TotalMilliseconds,
        };

        // Only Linux has all of 127/8.
        var address = OperatingSystem.IsLinux()
            ? new IPAddress([127, 1, (byte)(number >> 8), (byte)number])
            : IPAddress.Loopback;
        socket.Bind(new IPEndPoint(address, 0));
        return socket;
    }
}
