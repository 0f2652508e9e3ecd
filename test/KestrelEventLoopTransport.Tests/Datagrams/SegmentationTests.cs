using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>Datagrams that the kernel cuts from long messages, and those that it has joined (GSO and GRO).</summary>
public sealed class SegmentationTests
{
    private const int SolUdp = 17;
    private const int UdpSegment = 103;

    /// <summary>Runs of one size, with shorter, longer and empty datagrams between them.</summary>
    public static int[] Lengths { get; } =
    [
        .. Enumerable.Repeat(1_200, 40), 700,
        .. Enumerable.Repeat(100, 10), 0, 100, 0, 0, 99, 99, 100,
        .. Enumerable.Repeat(8_000, 3), 1, 1, 1, 2,
        .. Enumerable.Repeat(30_000, 2), 1_000,
    ];

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Datagrams_of_one_call_arrive_as_they_were_sent(ApplicationScheduling scheduling)
    {
        await using var server = await DatagramServer.StartAsync(
            scheduling,
            static (datagrams, sender) =>
            {
                foreach (var length in Lengths)
                {
                    sender.Reply(Pattern.Create(length), datagrams[0]);
                }
            });
        using var client = server.Connect();
        client.ReceiveBufferSize = 1024 * 1024;

        client.Send([1]);

        DatagramServer.ReceiveAll(client, Lengths);

        Assert.Empty(server.Script.Errors);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Datagrams_for_several_peers_are_not_mixed(ApplicationScheduling scheduling)
    {
        using var first = Bind();
        using var second = Bind();
        var addresses = new[] { first, second }
            .Select(static socket => DatagramAddress.FromEndPoint((IPEndPoint)socket.LocalEndPoint!)).ToArray();
        await using var server = await DatagramServer.StartAsync(
            scheduling,
            (_, sender) =>
            {
                for (var i = 0; i < 30; i++)
                {
                    // Runs of one, two and three datagrams in turn.
                    for (var count = 0; count <= i % 3; count++)
                    {
                        sender.Send([0], addresses[0]);
                    }

                    sender.Send([1], addresses[1]);
                }
            });
        using var client = server.Connect();

        client.Send([0]);

        for (var i = 0; i < 30; i++)
        {
            Assert.Equal([1], DatagramServer.Receive(second));
        }

        for (var i = 0; i < 60; i++)
        {
            Assert.Equal([0], DatagramServer.Receive(first));
        }

        Assert.Equal(0, first.Available + second.Available);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Datagrams_that_the_kernel_has_joined_are_split_again(ApplicationScheduling scheduling)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "UDP_SEGMENT is an option of Linux.");
        var most = 0;
        await using var server = await DatagramServer.StartAsync(
            scheduling,
            (datagrams, sender) =>
            {
                most = Math.Max(most, datagrams.Length);
                foreach (ref readonly var datagram in datagrams)
                {
                    Assert.Equal(datagram.Payload.Length, datagram.Length);
                    Assert.False(datagram.IsTruncated);
                    Assert.Equal(0xB8, datagram.TrafficClass);
                }

                DatagramScript.Echo(datagrams, sender);
            },
            static options => options.ReceiveOffload = true);
        using var client = server.Connect();
        client.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.TypeOfService, 0xB8);
        foreach (var (size, total) in ((int, int)[])[(1_200, 1_200 * 20), (1_200, 12_345), (1, 60), (30_000, 60_001)])
        {
            var bytes = Pattern.Create(total);
            Cut(client, size);
            client.Send(bytes);
            for (var at = 0; at < total; at += size)
            {
                Assert.Equal(bytes[at..Math.Min(at + size, total)], DatagramServer.Receive(client));
            }

            Cut(client, 0);
            DatagramServer.RoundTrip(client, []);
            DatagramServer.RoundTrip(client, Pattern.Create(65_507));
        }

        Assert.True(most > 8, $"{most} datagrams came in one call.");
        Assert.Equal(20 + 11 + 60 + 3 + 8, server.Endpoint.ReceivedDatagrams);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_joined_datagram_that_is_too_long_is_truncated(ApplicationScheduling scheduling)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "UDP_SEGMENT is an option of Linux.");
        await using var server = await DatagramServer.StartAsync(
            scheduling,
            static (datagrams, sender) =>
            {
                foreach (ref readonly var datagram in datagrams)
                {
                    var isTruncated = (byte)(datagram.IsTruncated ? 1 : 0);
                    sender.Reply([(byte)datagram.Payload.Length, (byte)datagram.Length, isTruncated], datagram);
                }
            },
            static options => (options.ReceiveOffload, options.MaxDatagramSize) = (true, 100));
        using var client = server.Connect();
        Cut(client, 120);

        client.Send(new byte[120 + 120 + 100]);

        Assert.Equal([100, 120, 1], DatagramServer.Receive(client));
        Assert.Equal([100, 120, 1], DatagramServer.Receive(client));
        Assert.Equal([100, 100, 0], DatagramServer.Receive(client));
    }

    private static void Cut(Socket socket, int size)
        => socket.SetRawSocketOption(SolUdp, UdpSegment, BitConverter.GetBytes(size));

    private static Socket Bind()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
        {
            ReceiveTimeout = (int)TaskTimeoutExtensions.Default.TotalMilliseconds,
        };
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return socket;
    }
}
