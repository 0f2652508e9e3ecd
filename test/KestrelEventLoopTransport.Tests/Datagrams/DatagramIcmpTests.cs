using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>Answers of routers (ICMPv6), which the test makes itself.</summary>
public sealed class DatagramIcmpTests
{
    private const int Udp = 17;
    private const byte DestinationUnreachable = 1;
    private const byte Prohibited = 1;

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_datagram_behind_an_answer_is_received(ApplicationScheduling scheduling)
    {
        using var icmp = Open();
        using var peer = BindPeer();
        using var release = new ManualResetEventSlim();
        var entered = Signal.New();
        await using var server = await StartAsync(
            scheduling,
            peer,
            (datagrams, sender) =>
            {
                entered.TrySetResult();
                release.Wait(TaskTimeoutExtensions.Default);
                DatagramScript.Echo(datagrams, sender);
            });
        peer.SendTo([1], server.EndPoint);
        await entered.Task.DefaultTimeout();

        // Both are there before the next receive, which fetches the answer first.
        SendProhibited(icmp, server, peer);
        peer.SendTo([2], server.EndPoint);
        release.Set();

        Assert.Equal([1], DatagramServer.Receive(peer));
        Assert.Equal([2], DatagramServer.Receive(peer));
        await Poll.UntilAsync(() => !server.Script.Errors.IsEmpty);
        Assert.Equal([(SocketError.AccessDenied, default(DatagramAddress))], server.Script.Errors);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_datagram_whose_send_fetches_an_answer_is_sent(ApplicationScheduling scheduling)
    {
        using var icmp = Open();
        using var peer = BindPeer();
        await using var server = await StartAsync(scheduling, peer, DatagramScript.Echo);
        for (byte i = 0; i < 200; i++)
        {
            SendProhibited(icmp, server, peer);

            // One that is the datagram's own is not taken for such an answer.
            var tooLong = server.Endpoint.Sender.Send(new byte[65_535]);
            Assert.Equal(new DatagramSendResult(DatagramSendStatus.Failed, SocketError.MessageSize), tooLong);
            SendProhibited(icmp, server, peer);
            Assert.Equal(DatagramSendStatus.Sent, server.Endpoint.Sender.Send([i]).Status);
            Assert.Equal([i], DatagramServer.Receive(peer));
        }

        Assert.Equal(200, server.Endpoint.FailedSends);
        Assert.All(server.Script.Errors, static error => Assert.Equal(SocketError.AccessDenied, error.Error));
    }

    private static Socket Open()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The header is that of Linux.");
        try
        {
            return new Socket(AddressFamily.InterNetworkV6, SocketType.Raw, ProtocolType.IcmpV6);
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AccessDenied)
        {
            Assert.Skip("Raw sockets are not allowed.");
            throw;
        }
    }

    private static Socket BindPeer()
    {
        var peer = new Socket(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp)
        {
            ReceiveTimeout = (int)TaskTimeoutExtensions.Default.TotalMilliseconds,
        };
        peer.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
        return peer;
    }

    private static Task<DatagramServer> StartAsync(
        ApplicationScheduling scheduling, Socket peer, DatagramScript.Receive receive)
        => DatagramServer.StartAsync(
            scheduling,
            receive,
            options => options.RemoteEndPoint = (IPEndPoint)peer.LocalEndPoint!,
            "udp://[::1]:0");

    /// <summary>
    /// "Communication with destination administratively prohibited" (RFC 4443, section 3.1), for a datagram that the
    /// server would have sent to the peer. The kernel adds the checksum.
    /// </summary>
    private static void SendProhibited(Socket icmp, DatagramServer server, Socket peer)
    {
        var loopback = IPAddress.IPv6Loopback.GetAddressBytes();
        var message = new byte[8 + 40 + 8];
        message[0] = DestinationUnreachable;
        message[1] = Prohibited;
        var packet = message.AsSpan(8);
        packet[0] = 0x60;
        packet[5] = 8;
        packet[6] = Udp;
        packet[7] = 64;
        loopback.CopyTo(packet[8..]);
        loopback.CopyTo(packet[24..]);
        BinaryPrimitives.WriteUInt16BigEndian(packet[40..], (ushort)server.EndPoint.Port);
        BinaryPrimitives.WriteUInt16BigEndian(packet[42..], (ushort)((IPEndPoint)peer.LocalEndPoint!).Port);
        packet[45] = 8;
        icmp.SendTo(message, new IPEndPoint(IPAddress.IPv6Loopback, 0));
    }
}
