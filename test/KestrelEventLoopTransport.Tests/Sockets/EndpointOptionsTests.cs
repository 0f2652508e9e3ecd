using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Tests.Sockets;

/// <summary>Options of single endpoints, set in code.</summary>
[Trait("Contract", "options")]
[FailsOnStock("Options of ours.")]
public sealed class EndpointOptionsTests
{
    private static readonly IPEndPoint _endPoint = new(IPAddress.Loopback, 0);

    [Fact]
    public async Task An_endpoint_starts_from_the_defaults_and_changes_only_itself()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive, static options =>
        {
            options.ConfigureEndpoint(_endPoint, static endPoint =>
            {
                endPoint.Priority = 3;
                endPoint.Tcp.KeepAlive.Interval = TimeSpan.FromSeconds(9);
            });

            // After the call, but before the bind: the order does not matter.
            options.EndpointDefaults.SendBufferSize = 50_000;
            options.EndpointDefaults.Priority = 2;
            options.EndpointDefaults.Tcp.KeepAlive.Time = TimeSpan.FromSeconds(99);
        });

        var own = await ListenAsync(transport, _endPoint);
        var other = await ListenAsync(transport, new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0));

        Assert.Equal((100_000, 3, 99, 9), ShownBy(own));
        Assert.Equal((100_000, 2, 99, 75), ShownBy(other));
    }

    [Fact]
    public void Several_calls_for_one_endpoint_are_applied_in_turn()
    {
        var options = new EventLoopTransportOptions();
        options.ConfigureEndpoint(_endPoint, static endPoint => (endPoint.Backlog, endPoint.Priority) = (1, 1));
        options.ConfigureEndpoint("http://127.0.0.1:0", static endPoint => endPoint.Priority *= 5);

        var result = options.For(_endPoint);

        Assert.Equal((1, 5), (result.Backlog, result.Priority));
    }

    [Fact]
    public void A_copy_shares_nothing_with_the_defaults()
    {
        var options = new EventLoopTransportOptions();
        var copy = options.For(_endPoint);

        copy.Backlog = 1;
        copy.Tcp.NoDelay = false;
        copy.Tcp.KeepAlive.RetryCount = 1;
        copy.Unix.Owner = "x";

        Assert.Equal(512, options.Backlog);
        Assert.True(options.NoDelay);
        Assert.Null(options.EndpointDefaults.Tcp.KeepAlive.RetryCount);
        Assert.Null(options.EndpointDefaults.Unix.Owner);
    }

    [Fact]
    public void Unix_endpoints_and_descriptors_are_told_apart_by_value()
    {
        var options = new EventLoopTransportOptions();
        options.ConfigureEndpoint(new UnixDomainSocketEndPoint("/run/a"), static endPoint => endPoint.Backlog = 1);
        options.ConfigureEndpoint("http://unix:/run/b", static endPoint => endPoint.Backlog = 2);
        options.ConfigureEndpoint(
            new FileHandleEndPoint(3, FileHandleType.Auto), static endPoint => endPoint.Backlog = 3);

        options.ConfigureEndpoint(new UnixDomainSocketEndPoint("\0d"), static endPoint => endPoint.Backlog = 4);

        Assert.Equal(1, options.For(new UnixDomainSocketEndPoint("/run/a")).Backlog);
        Assert.Equal(2, options.For(new UnixDomainSocketEndPoint("/run/b")).Backlog);
        Assert.Equal(3, options.For(new FileHandleEndPoint(3, FileHandleType.Tcp)).Backlog);
        Assert.Equal(4, options.For(new UnixDomainSocketEndPoint("/@d")).Backlog);
        Assert.Equal(512, options.For(new UnixDomainSocketEndPoint("@d")).Backlog);
        Assert.Equal(512, options.For(new UnixDomainSocketEndPoint("/run/c")).Backlog);
        Assert.Equal(512, options.For(new FileHandleEndPoint(4, FileHandleType.Auto)).Backlog);
    }

    [Theory]
    [InlineData("")]
    [InlineData("localhost:5000")]
    [InlineData("/run/app.sock")]
    public void What_is_no_URL_is_refused_at_once(string url)
        => Assert.Throws<FormatException>(
            () => new EventLoopTransportOptions().ConfigureEndpoint(url, static _ => { }));

    // Localhost is two endpoints and any address may fall back to another: the URL stands for all of them.
    [Fact]
    public async Task A_URL_covers_every_endpoint_that_Kestrel_makes_of_it()
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "No IPv6 here.");
        var port = FreePort.Next();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Connection = Echo.RunAsync,
            Kestrel = kestrel => kestrel.ListenLocalhost(port),
            Transport = options => options.ConfigureEndpoint(
                $"http://localhost:{port}", static endPoint => endPoint.Priority = 3),
        });

        IPAddress[] addresses = [IPAddress.Loopback, IPAddress.IPv6Loopback];
        var descriptors = addresses.Select(
            address => Assert.Single(ListeningSockets.FindDescriptors(new IPEndPoint(address, port))));
        Assert.All(
            descriptors, static fd => Assert.Equal(3, Libc.GetSocketOption(fd, Libc.SOL_SOCKET, Libc.SO_PRIORITY)));
    }

    // What the kernel holds of an unread stream varies by the run, by less than the buffers that are compared.
    [Fact]
    public async Task Buffer_sizes_may_differ_by_endpoint()
    {
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive,
            static options => options.ConfigureEndpoint(_endPoint,
                static endPoint => endPoint.MaxWriteBufferSize = 8 << 20));
        await using var wide = await transport.ConnectAsync(await transport.BindAsync(_endPoint));
        await using var other = await transport.ConnectAsync(
            await transport.BindAsync(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0)));

        Assert.InRange(await FillAsync(wide), 8 << 20, int.MaxValue);
        Assert.InRange(await FillAsync(other), 64 << 10, 4 << 20);
    }

    /// <summary>The bytes that a connection takes before a flush waits.</summary>
    private static async Task<int> FillAsync(ConnectedPair pair)
    {
        pair.Connection.Features.Get<IConnectionSocketFeature>()!.Socket.SendBufferSize = 4096;
        pair.Client.Socket.ReceiveBufferSize = 4096;
        for (var size = 16 * 1024; ; size += 16 * 1024)
        {
            var flush = pair.Output.WriteAsync(new byte[16 * 1024]);
            if (!flush.IsCompleted)
            {
                pair.Client.Dispose();
                await flush.DefaultTimeout();
                return size;
            }
        }
    }

    private static async Task<int> ListenAsync(TestTransport transport, EndPoint endPoint)
    {
        var listener = await transport.BindAsync(endPoint);
        return Assert.Single(ListeningSockets.FindDescriptors(listener.EndPoint));
    }

    private static (int SendBuffer, int Priority, int KeepAliveTime, int KeepAliveInterval) ShownBy(int fd) => (
        Libc.GetSocketOption(fd, Libc.SOL_SOCKET, Libc.SO_SNDBUF),
        Libc.GetSocketOption(fd, Libc.SOL_SOCKET, Libc.SO_PRIORITY),
        Libc.GetSocketOption(fd, Libc.IPPROTO_TCP, Libc.TCP_KEEPIDLE),
        Libc.GetSocketOption(fd, Libc.IPPROTO_TCP, Libc.TCP_KEEPINTVL));
}
