using System.Net;
using System.Net.Sockets;
using System.Text;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>What the network of a real kernel refuses, in a network namespace of the test's own.</summary>
public sealed class DatagramNamespaceTests
{
    [Fact]
    public Task A_datagram_that_a_filter_drops_fails_alone()
        => NetworkNamespace.RunAsync(
            typeof(DatagramNamespaceTests), nameof(Filter_in_a_namespace), "nft", "list", "ruleset");

    [Fact]
    public Task Datagrams_longer_than_a_packet_are_sent_although_the_kernel_does_not_cut_them()
        => NetworkNamespace.RunAsync(
            typeof(DatagramNamespaceTests),
            nameof(Small_packets_in_a_namespace),
            "ip", "link", "set", "lo", "mtu", "1500");

    [Fact(Explicit = true)]
    public async Task Filter_in_a_namespace()
    {
        await NetworkNamespace.ConfigureAsync("ip", "link", "set", "lo", "up");
        await NetworkNamespace.ConfigureAsync("nft", "add table inet test");
        await NetworkNamespace.ConfigureAsync(
            "nft", "add chain inet test output { type filter hook output priority 0; }");
        await NetworkNamespace.ConfigureAsync("nft", "add rule inet test output udp dport 9 drop");
        var blocked = DatagramAddress.FromEndPoint(new IPEndPoint(IPAddress.Loopback, 9));
        foreach (var scheduling in Enum.GetValues<ApplicationScheduling>())
        {
            var failures = 0;
            await using var server = await DatagramServer.StartAsync(
                scheduling,
                (datagrams, sender) =>
                {
                    sender.Reply("1"u8, datagrams[0]);
                    for (var i = 0; i < 5; i++)
                    {
                        failures += sender.Send("xyz"u8, blocked).Status == DatagramSendStatus.Failed ? 1 : 0;
                    }

                    sender.Reply("2"u8, datagrams[0]);
                });
            using var client = server.Connect();
            client.Send("?"u8);

            string[] answers = [Receive(client), Receive(client)];
            Assert.Equal(["1", "2"], answers.Order());

            // The call itself gets the errors of what it sends when it is overdue.
            await Poll.UntilAsync(() => server.Script.Errors.Count + Volatile.Read(ref failures) == 5);
            Assert.All(server.Script.Errors, error => Assert.Equal((SocketError.AccessDenied, blocked), error));
            Assert.Equal(5, server.Endpoint.FailedSends);
            Assert.Equal(
                new DatagramSendResult(DatagramSendStatus.Failed, SocketError.AccessDenied),
                server.Endpoint.Sender.Send("x"u8, blocked));
        }
    }

    [Fact(Explicit = true)]
    public async Task Small_packets_in_a_namespace()
    {
        await NetworkNamespace.ConfigureAsync("ip", "link", "set", "lo", "up", "mtu", "1500");
        int[] lengths = [1_472, 1_472, 1_473, 1_473, 3_000, 3_000, 3_000, 1_200, 1_200, 60_000, 60_000, 700, 700];
        foreach (var scheduling in Enum.GetValues<ApplicationScheduling>())
        {
            await using var server = await DatagramServer.StartAsync(
                scheduling,
                (datagrams, sender) =>
                {
                    foreach (var length in lengths)
                    {
                        sender.Reply(Pattern.Create(length), datagrams[0]);
                    }
                });
            using var client = server.Connect();
            client.ReceiveBufferSize = 1024 * 1024;
            for (var round = 0; round < 3; round++)
            {
                client.Send("?"u8);
                DatagramServer.ReceiveAll(client, lengths);
            }

            Assert.Empty(server.Script.Errors);
            Assert.Equal(0, server.Endpoint.FailedSends);
        }
    }

    private static string Receive(Socket client) => Encoding.ASCII.GetString(DatagramServer.Receive(client));
}
