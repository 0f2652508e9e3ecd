using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using KestrelEventLoopTransport.IntegrationTests.Tools;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>Real proxies that send the PROXY protocol.</summary>
[Trait("Contract", "proxy")]
[FailsOnStock("Stock has no PROXY protocol.")]
public sealed class ProxyProtocolTests
{
    public static MatrixTheoryData<ApplicationScheduling, string> Options => new(
        EveryScheduling.Values, ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"]);

    [Theory(Timeout = HangGuard.Milliseconds)]
    [MemberData(nameof(Options))]
    public async Task Haproxy_names_its_clients_over_IPv4_and_IPv6(ApplicationScheduling scheduling, string options)
    {
        await using var server = await StartAsync(scheduling);
        await using var proxy = await TcpProxy.StartHaproxyAsync(server.EndPoint, options);
        foreach (var front in new[] { proxy.IPv4, proxy.IPv6 })
        {
            using var client = await RawClient.ConnectAsync(front);
            var line = await client.ReceiveLineAsync();
            Assert.StartsWith($"{client.Socket.LocalEndPoint} {front} Proxy ", line);
            await Echo.RoundTripAsync(client, 10_000);
            client.ShutdownSend();
            await client.ExpectFinAsync();
            Assert.Equal(Has(options, "unique-id"), Has(line!, "id="));
        }
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EveryScheduling>]
    public async Task Haproxy_reaches_a_Unix_socket_and_names_Unix_clients(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        await using var server = await StartAsync(scheduling, new UnixDomainSocketEndPoint(path.Path));
        await using var proxy = await TcpProxy.StartHaproxyAsync(server.EndPoint, "send-proxy-v2");

        using (var client = await RawClient.ConnectAsync(proxy.IPv4))
        {
            Assert.StartsWith($"{client.Socket.LocalEndPoint} {proxy.IPv4} Proxy", await client.ReceiveLineAsync());
            await Echo.RoundTripAsync(client);
        }

        // HAProxy says LOCAL for a client without an IP address.
        using var unix = await RawClient.ConnectAsync(proxy.Unix);
        Assert.Equal($" {path.Path} Local ", await unix.ReceiveLineAsync());
        await Echo.RoundTripAsync(unix);
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task Haproxy_hands_on_what_another_proxy_has_said()
    {
        await using var server = await StartAsync(ApplicationScheduling.Adaptive);
        await using var proxy = await TcpProxy.StartHaproxyAsync(server.EndPoint, "send-proxy-v2", "accept-proxy");
        using var client = await RawClient.ConnectAsync(proxy.IPv4);

        await client.SendAsync("PROXY TCP6 2001:db8::7 2001:db8::1 41000 443\r\n");

        Assert.StartsWith("[2001:db8::7]:41000 [2001:db8::1]:443 Proxy ", await client.ReceiveLineAsync());
        await Echo.RoundTripAsync(client);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [InlineData("send-proxy-v2-ssl", false)]
    [InlineData("send-proxy-v2-ssl-cn", false)]
    [InlineData("send-proxy-v2-ssl-cn", true)]
    public async Task Haproxy_describes_the_TLS_of_its_client(string options, bool hasCertificate)
    {
        await using var server = await StartAsync(ApplicationScheduling.Adaptive);
        await using var proxy = await TcpProxy.StartHaproxyAsync(server.EndPoint, options, usesTls: true);
        using var client = await RawClient.ConnectAsync(proxy.IPv4);
        await using var tls = new SslStream(
            new NetworkStream(client.Socket), leaveInnerStreamOpen: false, TestCertificate.IsTheOne);
        var authentication = new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            ClientCertificates = hasCertificate ? [TestCertificate.Instance] : [],
        };
        await tls.AuthenticateAsClientAsync(authentication, HangGuard.Token);

        using var reader = new StreamReader(tls);
        var line = await reader.ReadLineAsync(HangGuard.Token);

        Assert.StartsWith($"{client.Socket.LocalEndPoint} ", line);
        Assert.Contains($"tls=TLSv1.3 verified={hasCertificate}", line);
        Assert.Equal(hasCertificate && Has(options, "ssl-cn"), Has(line!, "cn=localhost"));
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task Health_checks_of_haproxy_that_send_a_header_are_LOCAL_and_make_no_noise()
    {
        var commands = new ConcurrentQueue<ProxyProtocolCommand>();
        await using var server = await StartAsync(ApplicationScheduling.Adaptive, commands: commands);
        await using var proxy = await TcpProxy.StartHaproxyAsync(server.EndPoint, "send-proxy-v2 check inter 20ms");

        await Poll.UntilAsync(() => commands.Count > 3);

        Assert.All(commands, static command => Assert.Equal(ProxyProtocolCommand.Local, command));
    }

    // HAProxy's plain check sends a SYN and a RST and nothing between: it switches TCP_QUICKACK off, so that no ACK
    // completes the handshake. Such a check never reaches accept(2). With "linger" the check ends with a FIN, which
    // completes the handshake on the way.
    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task Bare_TCP_checks_of_haproxy_make_no_noise()
    {
        await using var server = await StartAsync(ApplicationScheduling.Adaptive);
        await using var proxy = await TcpProxy.StartHaproxyAsync(
            server.EndPoint, "check inter 20ms", checks: "tcp-check connect linger");
        var endpoint = server.Monitor.Endpoints[0];

        await Poll.UntilAsync(() => endpoint.GetProxyProtocolFailures(ProxyProtocolFailure.Empty) > 3);

        Assert.Equal(0, endpoint.AcceptedConnections);
    }

    [Fact(Timeout = HangGuard.BulkMilliseconds)]
    [Slow]
    public async Task Ten_thousand_connections_in_a_row_have_the_right_address()
    {
        await using var server = await StartAsync(ApplicationScheduling.Adaptive);
        await using var proxy = await TcpProxy.StartHaproxyAsync(server.EndPoint, "send-proxy-v2");
        for (var i = 0; i < 10_000; i++)
        {
            using var client = await RawClient.ConnectAsync(proxy.IPv4);
            Assert.StartsWith($"{client.Socket.LocalEndPoint} {proxy.IPv4} Proxy ", await client.ReceiveLineAsync());
            client.Reset();
        }
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task Nginx_names_its_clients()
    {
        await using var server = await StartAsync(ApplicationScheduling.Adaptive);
        await using var proxy = await TcpProxy.StartNginxAsync(server.EndPoint);
        using var client = await RawClient.ConnectAsync(proxy.IPv4);

        Assert.StartsWith($"{client.Socket.LocalEndPoint} {proxy.IPv4} Proxy ", await client.ReceiveLineAsync());
        await Echo.RoundTripAsync(client);
    }

    [Fact(Timeout = HangGuard.Milliseconds)]
    public async Task The_sample_says_who_its_client_is()
    {
        await using var sample = await SampleProcess.StartAsync("ProxyProtocol");
        using var client = await RawClient.ConnectAsync(sample.EndPoint);
        await client.SendAsync("PROXY TCP4 203.0.113.7 192.0.2.1 41000 443\r\n"
            + "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");

        var answer = await client.ReceiveTextToEndAsync();

        Assert.Contains("client: 203.0.113.7 41000\nserver: 192.0.2.1 443\n", answer);
        Assert.Contains("header: V1 Proxy InterNetwork\n", answer);
    }

    private static bool Has(string text, string part) => text.Contains(part, StringComparison.Ordinal);

    private static Task<TestServer> StartAsync(
        ApplicationScheduling scheduling,
        EndPoint? endPoint = null,
        ConcurrentQueue<ProxyProtocolCommand>? commands = null)
        => TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = connection =>
            {
                commands?.Enqueue(connection.Features.Get<IProxyProtocolFeature>()!.Header.Command);
                return DescribeAsync(connection);
            },
            EndPoint = endPoint ?? new IPEndPoint(IPAddress.Loopback, 0),
            Complaints = static entry => entry.Level
                > (entry.Category.StartsWith("KestrelEventLoop", StringComparison.Ordinal)
                    ? LogLevel.Debug
                    : LogLevel.Information),
            Transport = static options => options.EndpointDefaults.ProxyProtocol = new()
            {
                TrustedNetworks = { "127.0.0.0/8" },
                TrustUnixPeers = true,
            },
        });

    private static async Task DescribeAsync(ConnectionContext connection)
    {
        var feature = connection.Features.Get<IProxyProtocolFeature>()!;
        var header = feature.Header;
        var text = $"{connection.RemoteEndPoint} {connection.LocalEndPoint} {header.Command} ";
        text += header.UniqueId.IsEmpty ? "" : $"id={Encoding.ASCII.GetString(header.UniqueId.Span)} ";
        text += header.Ssl is { } ssl
            ? $"tls={ssl.Version} verified={ssl.IsClientCertificateVerified} cn={ssl.CommonName}"
            : "";
        await connection.Transport.Output.WriteAsync(Encoding.UTF8.GetBytes(text + "\n"));
        await Echo.RunAsync(connection);
    }
}
