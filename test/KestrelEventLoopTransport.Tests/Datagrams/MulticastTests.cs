using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>Groups that the hook joins, on the loopback interface.</summary>
public sealed class MulticastTests
{
    private static readonly IPAddress _first = IPAddress.Parse("239.255.77.1");
    private static readonly IPAddress _second = IPAddress.Parse("239.255.77.2");

    [Theory]
    [InlineData("udp://0.0.0.0:0")]
    [InlineData("udp://[::]:0")]
    public async Task An_endpoint_receives_its_own_groups_only_and_learns_which(string url)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Others have no IP_MULTICAST_ALL.");
        var seen = new List<IPAddress>();
        await using var server = await DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive,
            (datagrams, sender) =>
            {
                foreach (var datagram in datagrams)
                {
                    var group = datagram.LocalAddress.ToEndPoint()!.Address;
                    seen.Add(group.IsIPv4MappedToIPv6 ? group.MapToIPv4() : group);
                    sender.Reply(datagram.Payload, datagram);
                }
            },
            options => options.ConfigureSocket = context => Join(context.Socket, _first),
            url);
        using var other = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        Join(other, _second);
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
        {
            ReceiveTimeout = (int)TaskTimeoutExtensions.Default.TotalMilliseconds,
        };
        client.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        client.SetSocketOption(
            SocketOptionLevel.IP, SocketOptionName.MulticastInterface, IPAddress.Loopback.GetAddressBytes());

        client.SendTo([2], new IPEndPoint(_second, server.EndPoint.Port));
        client.SendTo([1], new IPEndPoint(_first, server.EndPoint.Port));

        // The answer to a group leaves from an address of this machine.
        var buffer = new byte[16];
        EndPoint from = new IPEndPoint(IPAddress.Any, 0);
        Assert.Equal(1, client.ReceiveFrom(buffer, ref from));
        Assert.Equal(1, buffer[0]);
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, server.EndPoint.Port), from);
        Assert.Equal([_first], seen);
    }

    [Theory]
    [InlineData("udp://0.0.0.0:0")]
    [InlineData("udp://[::]:0")]
    public async Task An_answer_to_a_broadcast_leaves_from_an_address_of_this_machine(string url)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Others have no broadcast address of the loopback network.");
        await using var server = await DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive, DatagramScript.Echo, url: url);
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
        {
            ReceiveTimeout = (int)TaskTimeoutExtensions.Default.TotalMilliseconds,
            EnableBroadcast = true,
        };
        client.Bind(new IPEndPoint(IPAddress.Loopback, 0));

        client.SendTo([1], new IPEndPoint(IPAddress.Parse("127.255.255.255"), server.EndPoint.Port));

        var buffer = new byte[16];
        EndPoint from = new IPEndPoint(IPAddress.Any, 0);
        Assert.Equal(1, client.ReceiveFrom(buffer, ref from));
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, server.EndPoint.Port), from);
        Assert.Equal(0, server.Endpoint.FailedSends);
    }

    private static void Join(Socket socket, IPAddress group)
        => socket.SetSocketOption(
            SocketOptionLevel.IP,
            SocketOptionName.AddMembership,
            new MulticastOption(group, IPAddress.Loopback));
}
