using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Listening;

public sealed class BindTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "4")]
    public async Task IPv6Any_is_dual_stack_and_IPv4_peers_stay_mapped(ApplicationScheduling scheduling)
    {
        SkipWithoutIPv6();
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.IPv6Any, 0));
        var port = ((IPEndPoint)listener.EndPoint).Port;

        using var v4 = await RawClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
        await using var mapped = await listener.AcceptAsync().DefaultTimeout();
        using var v6 = await RawClient.ConnectAsync(new IPEndPoint(IPAddress.IPv6Loopback, port));
        await using var native = await listener.AcceptAsync().DefaultTimeout();

        var local = (IPEndPoint)v4.Socket.LocalEndPoint!;
        Assert.Equal(new IPEndPoint(IPAddress.Loopback.MapToIPv6(), local.Port), mapped!.RemoteEndPoint);
        Assert.Equal(v6.Socket.LocalEndPoint, native!.RemoteEndPoint);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "4")]
    public async Task Other_IPv6_addresses_are_IPv6_only(ApplicationScheduling scheduling)
    {
        SkipWithoutIPv6();
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.IPv6Loopback, 0));

        var descriptors = ListeningSockets.FindDescriptors(listener.EndPoint);

        Assert.NotEmpty(descriptors);
        Assert.All(
            descriptors, static fd => Assert.Equal(1, Libc.GetSocketOption(fd, Libc.IPPROTO_IPV6, Libc.IPV6_V6ONLY)));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "5")]
    public async Task A_bind_that_fails_for_another_reason_stays_a_SocketException(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);

        // An address of TEST-NET-1, which is nobody's.
        var exception = await Assert.ThrowsAsync<SocketException>(
            () => transport.BindAsync(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 0)));

        Assert.Equal(SocketError.AddressNotAvailable, exception.SocketErrorCode);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "5")]
    public async Task Localhost_binds_both_families(ApplicationScheduling scheduling)
    {
        SkipWithoutIPv6();
        var port = FreePort.Next();
        var settings = new TestSettings
        {
            Scheduling = scheduling,
            Kestrel = kestrel => kestrel.ListenLocalhost(port),
            App = static http => http.Response.WriteAsync("localhost"),
        };
        await using var server = await TestServer.StartAsync(settings);

        foreach (var address in new[] { IPAddress.Loopback, IPAddress.IPv6Loopback })
        {
            using var client = await RawClient.ConnectAsync(new IPEndPoint(address, port));
            await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
            Assert.EndsWith(
                "localhost\r\n0\r\n\r\n", System.Text.Encoding.ASCII.GetString(await client.ReceiveToEndAsync()));
        }
    }

    [Fact]
    [Trait("Contract", "6")]
    public Task Access_denied_surfaces_as_a_SocketException()
    {
        const string Start = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
        Assert.SkipUnless(
            File.Exists(Start) && File.ReadAllText(Start).Trim() != "0", "Every port is unprivileged here.");
        return ChildProcess.RunAsync(typeof(BindTests), nameof(Bind_without_the_right_to));
    }

    [Fact(Explicit = true)]
    public async Task Bind_without_the_right_to()
    {
        var denied = await RestrictedBind.FailAsync(
            static () => Capabilities.Drop(Capabilities.NetBindService), null, new IPEndPoint(IPAddress.Loopback, 1));

        Assert.Equal(SocketError.AccessDenied, denied.SocketErrorCode);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "7")]
    public async Task Port_0_is_resolved_to_one_port_that_every_loop_serves(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            Transport = static options => options.EventLoopCount = 4,
        });

        var address = Assert.Single(
            server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses);
        Assert.Equal(((IPEndPoint)server.EndPoint).Port, new Uri(address).Port);
        Assert.NotEqual(0, new Uri(address).Port);
        for (var i = 0; i < 50; i++)
        {
            using var client = await server.ConnectAsync();
            await Echo.RoundTripAsync(client);
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "8")]
    public async Task Rebinding_right_after_a_stop_works_while_connections_are_in_TIME_WAIT(
        ApplicationScheduling scheduling)
    {
        var endPoint = new IPEndPoint(IPAddress.Loopback, FreePort.Next());
        for (var cycle = 0; cycle < 4; cycle++)
        {
            await using var server = await TestServer.StartAsync(new TestSettings
            {
                Scheduling = scheduling,
                EndPoint = endPoint,

                // The side that closes first is the one left in TIME_WAIT.
                Connection = static connection => Task.CompletedTask,
            });
            using var client = await server.ConnectAsync();
            await client.ExpectFinAsync();
            client.Dispose();
            await Poll.UntilAsync(() => ListeningSockets.CountTimeWait(endPoint.Port) > 0);
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "7")]
    public async Task Backlog_reaches_listen(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling, static options => options.Backlog = 7);
        var listener = await transport.BindAsync();

        var descriptors = ListeningSockets.FindDescriptors(listener.EndPoint);

        Assert.NotEmpty(descriptors);
        Assert.All(descriptors, static fd => Assert.Equal(7, BacklogOf(fd)));
    }

    private static void SkipWithoutIPv6() => Assert.SkipUnless(Socket.OSSupportsIPv6, "No IPv6 here.");

    // For a listening socket the kernel puts the length of the backlog into tcpi_sacked (tcp(7), TCP_INFO).
    private static unsafe int BacklogOf(int fd)
    {
        const int SackedOffset = 28;
        var info = stackalloc byte[256];
        uint length = 256;
        Assert.Equal(0, Libc.getsockopt(fd, Libc.IPPROTO_TCP, Libc.TCP_INFO, info, &length));
        return *(int*)(info + SackedOffset);
    }
}
