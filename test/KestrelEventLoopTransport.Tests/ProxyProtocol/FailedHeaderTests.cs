using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.ProxyProtocol;

/// <summary>Connections without a valid header, and peers that may not send one.</summary>
[Trait("Contract", "proxy")]
[FailsOnStock("Stock has no PROXY protocol.")]
public sealed class FailedHeaderTests
{
    private static readonly TimeSpan _short = TimeSpan.FromMilliseconds(50);

    // For a header that must come in time.
    private static readonly TimeSpan _longEnough = TimeSpan.FromSeconds(2);

    public static TheoryData<string, ProxyProtocolFailure> Wrong => new()
    {
        { Convert.ToHexString("GET / HTTP/1.1\r\n\r\n"u8), ProxyProtocolFailure.NoHeader },
        { "160301", ProxyProtocolFailure.NoHeader },
        { Convert.ToHexString("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n"u8), ProxyProtocolFailure.Malformed },
        { Convert.ToHexString("PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n"u8), ProxyProtocolFailure.Malformed },
        { "0D0A0D0A000D0A515549540A11", ProxyProtocolFailure.WrongVersion },
        { "0D0A0D0A000D0A515549540A2112", ProxyProtocolFailure.Malformed },
        { "0D0A0D0A000D0A515549540A2111FFFF", ProxyProtocolFailure.TooLong },
        {
            Convert.ToHexString(HeaderBytes.Block(HeaderBytes.Field(3, 1, 2, 3, 4))),
            ProxyProtocolFailure.WrongChecksum
        },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task A_wrong_header_is_answered_with_a_reset_counted_and_logged_at_Debug(
        string bytes, ProxyProtocolFailure reason)
    {
        await using var server = await ProxiedServer.StartAsync(ApplicationScheduling.Adaptive);
        for (var cut = 0; cut < 2; cut++)
        {
            var header = Convert.FromHexString(bytes);
            await ProxiedServer.AssertResetAsync(server.EndPoint, header[..cut], header[cut..]);
        }

        await Poll.UntilAsync(() => server.Connections() == 0);
        Assert.Equal(2, server.Failures(reason));
        using var instruments = new LoopInstruments(server.Services);
        Assert.Equal(2, instruments.Read($"event_loop.listener.proxy_failures/{NameOf(reason)}"));
        Assert.Equal(0, server.Monitor.Endpoints[0].AcceptedConnections);
        AssertDebugLines(server, 2, $"({reason})");
    }

    [Fact]
    public async Task The_meter_has_each_reason_by_its_name()
    {
        await using var server = await ProxiedServer.StartAsync(ApplicationScheduling.Adaptive);
        using var instruments = new LoopInstruments(server.Services);

        foreach (var reason in Enum.GetValues<ProxyProtocolFailure>())
        {
            Assert.Equal(0, instruments.Read($"event_loop.listener.proxy_failures/{NameOf(reason)}"));
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Section_2_2_a_header_that_ends_with_a_FIN_is_refused_at_every_byte(
        ApplicationScheduling scheduling)
    {
        await using var server = await ProxiedServer.StartAsync(scheduling);
        var cuts = 0;
        foreach (var header in new[] { HeaderBytes.Line, HeaderBytes.Block(HeaderBytes.Field(4, new byte[600])) })
        {
            for (var cut = 1; cut < header.Length; cut += cut < 64 ? 1 : 97)
            {
                using var client = await server.ConnectAsync();
                await client.SendAsync(header.AsMemory(0, cut));
                client.ShutdownSend();
                await client.ExpectResetAsync();
                cuts++;
            }
        }

        Assert.Equal(cuts, server.Failures(ProxyProtocolFailure.Truncated));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_peer_that_sends_nothing_and_closes_is_a_health_check(ApplicationScheduling scheduling)
    {
        await using var server = await ProxiedServer.StartAsync(scheduling);
        using (var client = await server.ConnectAsync())
        {
            client.ShutdownSend();
            await client.ExpectFinAsync();
        }

        using (var client = await server.ConnectAsync())
        {
            client.Reset();
        }

        await Poll.UntilAsync(() => server.Failures(ProxyProtocolFailure.Empty) == 2);
        await Poll.UntilAsync(() => server.Connections() == 0);
        AssertDebugLines(server, 2, "without a byte, as health checks do.");
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_late_header_is_reset_and_others_are_served_meanwhile(ApplicationScheduling scheduling)
    {
        await using var server = await ProxiedServer.StartAsync(
            scheduling, static proxies => proxies.HeaderTimeout = _longEnough);
        using var silent = await server.ConnectAsync();
        using var slow = await server.ConnectAsync();
        await slow.SendAsync("PROXY "u8.ToArray());
        using var other = await server.ConnectAsync();
        await other.SendAsync(HeaderBytes.Line);

        Assert.Equal(ProxiedServer.Proxied(other), await other.ReceiveLineAsync());
        await silent.ExpectResetAsync();
        await slow.ExpectResetAsync();
        await Echo.RoundTripAsync(other);
        Assert.Equal(2, server.Failures(ProxyProtocolFailure.TimedOut));

        // The reset comes before the count.
        await Poll.UntilAsync(() => server.Connections() == 1);
        AssertDebugLines(server, 2, "The header was not complete within 2000 milliseconds.");
    }

    [Theory]
    [InlineData(MaxConnectionsPolicy.Pause)]
    [InlineData(MaxConnectionsPolicy.Refuse)]
    public async Task A_connection_that_waits_counts_toward_the_limit(MaxConnectionsPolicy policy)
    {
        await using var server = await ProxiedServer.StartAsync(ApplicationScheduling.Adaptive, transport: options =>
        {
            options.EndpointDefaults.MaxConnections = 1;
            options.EndpointDefaults.MaxConnectionsPolicy = policy;
        });
        using var waiting = await server.ConnectAsync();
        await Poll.UntilAsync(() => server.Connections() == 1);
        if (policy == MaxConnectionsPolicy.Refuse)
        {
            await ProxiedServer.AssertResetAsync(server.EndPoint);
            waiting.ShutdownSend();
            await waiting.ExpectFinAsync();
            await Poll.UntilAsync(() => server.Connections() == 0);
            return;
        }

        using var second = await server.ConnectAsync();
        await second.SendAsync(HeaderBytes.Line);
        Assert.Equal(1, server.Connections());
        waiting.ShutdownSend();
        await waiting.ExpectFinAsync();
        Assert.Equal(ProxiedServer.Proxied(second), await second.ReceiveLineAsync());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_connection_that_waits_in_vain_makes_room_when_its_time_is_up(ApplicationScheduling scheduling)
    {
        await using var server = await ProxiedServer.StartAsync(
            scheduling,
            static proxies => proxies.HeaderTimeout = _longEnough,
            static options => options.EndpointDefaults.MaxConnections = 1);
        using var silent = await server.ConnectAsync();
        using var other = await server.ConnectAsync();
        await other.SendAsync(HeaderBytes.Line);

        Assert.Equal(ProxiedServer.Proxied(other), await other.ReceiveLineAsync());
        await silent.ExpectResetAsync();
        Assert.Equal(1, server.Failures(ProxyProtocolFailure.TimedOut));
        Assert.Equal(1, server.Connections());
    }

    [Theory]
    [MemberData(nameof(Balancing.ModeData.WithSchedulings), MemberType = typeof(Balancing.ModeData))]
    public async Task Trusted_and_untrusted_peers_may_come_in_turns(ApplicationScheduling scheduling, AcceptMode mode)
    {
        const int Count = 16;
        await using var server = await ProxiedServer.StartAsync(
            scheduling,
            static proxies =>
            {
                proxies.TrustedNetworks.Clear();
                proxies.TrustedNetworks.Add("127.0.0.2");
            },
            options => options.EndpointDefaults.AcceptMode = mode);
        for (var i = 0; i < Count; i++)
        {
            using var trusted = await RawClient.ConnectAsync(
                server.EndPoint, static socket => socket.Bind(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0)));
            await trusted.SendAsync(HeaderBytes.Line.AsMemory(0, i));
            await ProxiedServer.AssertResetAsync(server.EndPoint);
            await trusted.SendAsync(HeaderBytes.Line.AsMemory(i));
            Assert.Equal(ProxiedServer.Proxied(trusted), await trusted.ReceiveLineAsync());
        }

        Assert.Equal(Count, server.Failures(ProxyProtocolFailure.Untrusted));
        Assert.Equal(Count, server.Monitor.Endpoints[0].RefusedConnections);
        Assert.Equal(Count, server.Monitor.Endpoints[0].AcceptedConnections);
    }

    [Theory]
    [MemberData(nameof(Balancing.ModeData.WithSchedulings), MemberType = typeof(Balancing.ModeData))]
    public async Task A_stop_closes_connections_that_wait(ApplicationScheduling scheduling, AcceptMode mode)
    {
        const int Count = 20;
        await using var server = await ProxiedServer.StartAsync(
            scheduling,
            static proxies => proxies.HeaderTimeout = TimeSpan.FromHours(1),
            options => options.EndpointDefaults.AcceptMode = mode);
        var clients = new List<RawClient>();
        for (var i = 0; i < Count; i++)
        {
            clients.Add(await server.ConnectAsync());
            await clients[i].SendAsync(HeaderBytes.Line.AsMemory(0, i));
        }

        await Poll.UntilAsync(() => server.Connections() == Count);
        var endpoint = server.Monitor.Endpoints[0];

        await server.StopAsync(TaskTimeoutExtensions.Default);

        Assert.Equal(0, endpoint.ConnectionCount);
        Assert.Equal(Count, endpoint.GetProxyProtocolFailures(ProxyProtocolFailure.Stopped));
        foreach (var client in clients)
        {
            await client.ExpectResetAsync();
            client.Dispose();
        }
    }

    [Theory]
    [InlineData("10.0.0.0/8", false)]
    [InlineData("127.0.0.2", false)]
    [InlineData("::/0", false)]
    [InlineData("126.0.0.0/8", false)]
    [InlineData("127.0.0.1", true)]
    [InlineData("126.0.0.0/7", true)]
    [InlineData("0.0.0.0/0", true)]
    [InlineData("::ffff:127.0.0.1", true)]
    [InlineData("::ffff:127.0.0.0/104", true)]
    public async Task Only_peers_of_trusted_networks_may_and_have_to_send_a_header(string network, bool isTrusted)
    {
        foreach (var address in new[] { IPAddress.Loopback, IPAddress.IPv6Any })
        {
            await using var server = await ProxiedServer.StartAsync(
                ApplicationScheduling.Adaptive,
                proxies =>
                {
                    proxies.TrustedNetworks.Clear();
                    proxies.TrustedNetworks.Add(network);
                },
                endPoint: new IPEndPoint(address, 0));
            var port = ((IPEndPoint)server.EndPoint).Port;
            var endPoint = new IPEndPoint(IPAddress.Loopback, port);
            if (!isTrusted)
            {
                await ProxiedServer.AssertResetAsync(endPoint, HeaderBytes.Line);
                Assert.Equal(1, server.Failures(ProxyProtocolFailure.Untrusted));
                continue;
            }

            using var client = await RawClient.ConnectAsync(endPoint);
            await client.SendAsync(HeaderBytes.Line);
            Assert.StartsWith($"{HeaderBytes.Client} ", await client.ReceiveLineAsync());
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Untrusted_peers_may_be_passed_as_they_are(ApplicationScheduling scheduling)
    {
        await using var server = await ProxiedServer.StartAsync(scheduling, static proxies =>
        {
            proxies.TrustedNetworks.Clear();
            proxies.TrustedNetworks.Add("10.0.0.0/8");
            proxies.UntrustedPeers = UntrustedPeerPolicy.PassAsIs;
        });
        using var client = await server.ConnectAsync();

        // The header of a client that claims to be another one is data.
        await client.SendAsync(HeaderBytes.Line);

        Assert.Equal(ProxiedServer.Plain(client), await client.ReceiveLineAsync());
        Assert.Equal(HeaderBytes.Line, await client.ReceiveExactlyAsync(HeaderBytes.Line.Length));
    }

    [Fact]
    public async Task Unix_peers_are_not_trusted_unless_it_is_said()
    {
        using var path = new SocketPath();
        await using var server = await ProxiedServer.StartAsync(
            ApplicationScheduling.Adaptive, endPoint: new UnixDomainSocketEndPoint(path.Path));
        using var client = await server.ConnectAsync();

        await client.ReceiveUntilGoneAsync();

        Assert.Equal(1, server.Failures(ProxyProtocolFailure.Untrusted));
    }

    [Fact]
    public async Task A_reason_that_does_not_exist_is_an_exception()
    {
        await using var server = await ProxiedServer.StartAsync(ApplicationScheduling.Adaptive);

        Assert.Throws<ArgumentOutOfRangeException>(() => server.Failures((ProxyProtocolFailure)99));
    }

    /// <summary>The name in the meter: <c>no_header</c> for <c>NoHeader</c>.</summary>
    private static string NameOf(ProxyProtocolFailure reason)
        => string.Concat(reason.ToString().Select(
            static (letter, i) => char.IsUpper(letter) && i > 0 ? $"_{letter}" : $"{letter}")).ToLowerInvariant();

    private static void AssertDebugLines(TestServer server, int count, string text)
    {
        var lines = server.Logs.Entries.Where(entry => entry.EventId.Name == "ProxyHeaderFailed").ToList();
        Assert.Equal(count, lines.Count);
        Assert.All(lines, line => Assert.Equal(LogLevel.Debug, line.Level));
        Assert.All(lines, line => Assert.Contains(text, line.Message, StringComparison.Ordinal));
        Assert.DoesNotContain(server.Logs.Entries, entry => entry.Level > LogLevel.Information);
    }
}
