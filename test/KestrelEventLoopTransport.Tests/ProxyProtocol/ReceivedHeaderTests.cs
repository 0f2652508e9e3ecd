using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.ProxyProtocol;

/// <summary>Connections that begin with a valid header.</summary>
[Trait("Contract", "proxy")]
[FailsOnStock("Stock has no PROXY protocol.")]
public sealed class ReceivedHeaderTests
{
    [Theory]
    [MemberData(nameof(Balancing.ModeData.WithSchedulings), MemberType = typeof(Balancing.ModeData))]
    public async Task A_header_and_data_and_a_FIN_may_come_in_one_segment(
        ApplicationScheduling scheduling, AcceptMode mode)
    {
        await using var server = await ProxiedServer.StartAsync(
            scheduling, transport: options => options.EndpointDefaults.AcceptMode = mode);
        foreach (var header in new[] { HeaderBytes.Line, HeaderBytes.Block() })
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync((byte[])[.. header, .. "PROXY hello\r\n"u8]);
            client.ShutdownSend();

            Assert.Equal(ProxiedServer.Proxied(client), await client.ReceiveLineAsync());
            Assert.Equal("PROXY hello\r\n", await client.ReceiveTextToEndAsync());
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_header_may_be_cut_at_every_byte(ApplicationScheduling scheduling)
    {
        await using var server = await ProxiedServer.StartAsync(scheduling);
        var accepted = 0;
        foreach (var header in new[] { HeaderBytes.Line, HeaderBytes.Block(HeaderBytes.Field(2, "example.com")) })
        {
            for (var cut = 0; cut <= header.Length; cut++)
            {
                using var client = await server.ConnectAsync();
                await client.SendAsync(header.AsMemory(0, cut));
                await Poll.UntilAsync(() => server.Connections() > 0);
                await client.SendAsync((byte[])[.. header[cut..], .. "x\n"u8]);

                Assert.Equal(ProxiedServer.Proxied(client), await client.ReceiveLineAsync());
                Assert.Equal("x", await client.ReceiveLineAsync());
                client.ShutdownSend();
                await client.ExpectFinAsync();
                await Poll.UntilAsync(() => server.Connections() == 0);
                accepted++;
            }
        }

        Assert.Equal(accepted, server.Monitor.Endpoints[0].AcceptedConnections);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_header_may_come_byte_by_byte(ApplicationScheduling scheduling)
    {
        await using var server = await ProxiedServer.StartAsync(scheduling);
        foreach (var header in new[] { HeaderBytes.Line, HeaderBytes.Block(HeaderBytes.Field(4, new byte[40])) })
        {
            using var client = await server.ConnectAsync();
            foreach (var value in header)
            {
                await client.SendAsync(new[] { value });
            }

            Assert.Equal(ProxiedServer.Proxied(client), await client.ReceiveLineAsync());
            await Echo.RoundTripAsync(client);
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_header_may_be_longer_than_the_receive_buffer(ApplicationScheduling scheduling)
    {
        await using var server = await ProxiedServer.StartAsync(
            scheduling,
            proxies => proxies.MaxHeaderLength = 65551,
            options => options.EndpointDefaults.ReceiveBufferSize = 1);
        using var client = await server.ConnectAsync();

        await client.SendAsync(HeaderBytes.Block(HeaderBytes.Field(0xE5, new byte[65000])));

        Assert.Equal(ProxiedServer.Proxied(client), await client.ReceiveLineAsync());
        await Echo.RoundTripAsync(client);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task LOCAL_and_UNKNOWN_connections_have_their_real_endpoints(ApplicationScheduling scheduling)
    {
        await using var server = await ProxiedServer.StartAsync(scheduling);
        byte[][] headers =
        [
            HeaderBytes.Version2(0x20, 0x11, HeaderBytes.Block()[16..]),
            HeaderBytes.Version2(0x21, 0, []),
            "PROXY UNKNOWN 1.2.3.4 5.6.7.8 1 2\r\n"u8.ToArray(),
        ];
        foreach (var header in headers)
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync(header);
            var command = header[12] == 0x20 ? "Local" : "Proxy";
            Assert.Equal(
                $"{client.Socket.LocalEndPoint} {client.Socket.RemoteEndPoint} {command} {client.Socket.LocalEndPoint}",
                await client.ReceiveLineAsync());
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Clients_of_an_IPv4_endpoint_may_be_IPv6_or_Unix_clients(ApplicationScheduling scheduling)
    {
        await using var server = await ProxiedServer.StartAsync(scheduling);
        var endPoints = new EndPoint[] { IPEndPoint.Parse("[2001:db8::1]:1"), new UnixDomainSocketEndPoint("/a") };
        foreach (var endPoint in endPoints)
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync(HeaderBytes.Written(new() { Source = endPoint, Destination = endPoint }));
            Assert.Equal($"{endPoint} {endPoint} Proxy {client.Socket.LocalEndPoint}", await client.ReceiveLineAsync());
            await Echo.RoundTripAsync(client);
            client.ShutdownSend();
            await client.ExpectFinAsync();
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_Unix_socket_gets_headers_if_its_peers_are_trusted(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        await using var server = await ProxiedServer.StartAsync(
            scheduling, proxies => proxies.TrustUnixPeers = true, endPoint: new UnixDomainSocketEndPoint(path.Path));
        using var client = await server.ConnectAsync();

        await client.SendAsync((byte[])[.. HeaderBytes.Block(), .. "x\n"u8]);

        Assert.Equal($"{HeaderBytes.Client} {HeaderBytes.Server} Proxy ", await client.ReceiveLineAsync());
        Assert.Equal("x", await client.ReceiveLineAsync());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_header_comes_before_TLS(ApplicationScheduling scheduling)
    {
        await using var server = await ProxiedServer.StartAsync(scheduling, usesTls: true);
        using var client = await RawClient.ConnectAsync(server.EndPoint);
        await client.SendAsync(HeaderBytes.Block());
        await using var tls = new SslStream(
            new NetworkStream(client.Socket), leaveInnerStreamOpen: false, TestCertificate.IsTheOne);

        await tls.AuthenticateAsClientAsync("localhost").DefaultTimeout();

        using var reader = new StreamReader(tls);
        Assert.Equal(ProxiedServer.Proxied(client), await reader.ReadLineAsync().DefaultTimeout());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Loops_are_chosen_by_the_address_of_the_client(bool isLate)
    {
        await using var server = await ProxiedServer.StartAsync(ApplicationScheduling.Adaptive, transport: options =>
        {
            options.EventLoopCount = 4;
            options.EndpointDefaults.LoadBalancingPolicy = LoadBalancingPolicy.SourceAddressHash;
        });
        for (var i = 0; i < 64; i++)
        {
            var source = new IPEndPoint(new IPAddress([10, 1, 2, (byte)i]), 1000);
            var header = HeaderBytes.Written(new() { Source = source, Destination = source });
            using var client = await server.ConnectAsync();
            if (isLate)
            {
                await client.SendAsync(header.AsMemory(0, 5));
                await Poll.UntilAsync(() => server.Connections() > 0);
                header = header[5..];
            }

            await client.SendAsync(header);
            Assert.StartsWith($"{source} ", await client.ReceiveLineAsync());
            client.ShutdownSend();
            await client.ExpectFinAsync();
            await Poll.UntilAsync(() => server.Connections() == 0);
        }

        Assert.All(server.Monitor.GetLoopStatistics(), loop => Assert.InRange(loop.TotalConnections, 1, 40));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_load_balancer_of_the_user_sees_the_client_and_a_hook_sees_the_proxy(
        ApplicationScheduling scheduling)
    {
        var seen = new System.Collections.Concurrent.ConcurrentQueue<string>();
        await using var server = await ProxiedServer.StartAsync(scheduling, transport: options =>
        {
            options.EndpointDefaults.ConfigureAcceptedSocket = context => seen.Enqueue($"{context.RemoteEndPoint}");
            options.EndpointDefaults.CustomLoadBalancer = (in LoadBalancingContext context) =>
            {
                seen.Enqueue($"{context.RemoteEndPoint} {context.RemoteAddress.Length}");
                return 1;
            };
        });
        for (var cut = 0; cut < 2; cut++)
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync(HeaderBytes.Line.AsMemory(0, cut));
            await Poll.UntilAsync(() => !seen.IsEmpty);
            await client.SendAsync(HeaderBytes.Line.AsMemory(cut));
            await client.ReceiveLineAsync();

            Assert.Equal([$"{client.Socket.LocalEndPoint}", $"{HeaderBytes.Client} 4"], seen);
            seen.Clear();
        }

        Assert.Equal(2, server.Monitor.GetLoopStatistics()[1].TotalConnections);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_header_can_be_sent_first_on_a_connection(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var pair = await transport.ConnectAsync();

        await pair.Connection.SendProxyProtocolHeaderAsync(
            new() { Source = HeaderBytes.Client, Destination = HeaderBytes.Server });

        Assert.Equal(HeaderBytes.Block(), await pair.Client.ReceiveExactlyAsync(HeaderBytes.Block().Length));
    }
}
