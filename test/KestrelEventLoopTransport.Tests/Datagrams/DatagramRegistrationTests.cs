using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>How an endpoint is added, and what stops the application at its start.</summary>
[Collection(ProcessWide.Name)]
public sealed class DatagramRegistrationTests
{
    // 108 bytes.
    private const string TooLong = "unix:/a-directory-with-a-name-that-is-so-long-that-no-socket-can-have-a-path"
        + "-with-it/and-another-directory-xxxxxx";

    [Theory]
    [InlineData("tcp://127.0.0.1:53")]
    [InlineData("127.0.0.1:53")]
    [InlineData("udp://127.0.0.1")]
    [InlineData("udp://[::1]")]
    [InlineData("udp://*")]
    [InlineData("udp://localhost:53")]
    [InlineData("udp://127.0.0.1:65536")]
    [InlineData("udp://")]
    [InlineData("unix:")]
    [InlineData("unix:/")]
    [InlineData("unix:@")]
    [InlineData("unix:relative")]
    [InlineData(TooLong)]
    public void A_URL_of_another_form_is_refused(string url)
    {
        var exception = Assert.Throws<FormatException>(
            () => new ServiceCollection().AddDatagramEndpoint<ScriptedHandler>(url));

        Assert.Contains($"'{url}'", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("udp://127.0.0.1:0", "127.0.0.1")]
    [InlineData("udp://[::1]:0", "::1")]
    [InlineData("UDP://0.0.0.0:0/", "0.0.0.0")]
    [InlineData("udp://*:0", "::")]
    public async Task A_URL_names_the_address(string url, string address)
    {
        await using var server = await DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive, DatagramScript.Echo, url: url);

        Assert.Equal(IPAddress.Parse(address), server.EndPoint.Address);
        Assert.NotEqual(0, server.EndPoint.Port);
        var monitor = server.Services.GetRequiredService<EventLoopTransportMonitor>();
        Assert.Same(server.Endpoint, Assert.Single(monitor.DatagramEndpoints));
        await server.StopAsync();
        Assert.Empty(monitor.DatagramEndpoints);
    }

    [Fact]
    public async Task An_address_in_use_stops_the_application()
    {
        await using var first = await DatagramServer.StartAsync(ApplicationScheduling.Adaptive, DatagramScript.Echo);

        await Assert.ThrowsAsync<AddressInUseException>(() => DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive, DatagramScript.Echo, url: $"udp://{first.EndPoint}"));
    }

    [Fact]
    public async Task Sockets_for_each_loop_do_not_join_those_of_another_endpoint()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere the first socket needs SO_REUSEPORT too.");
        await using var first = await DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive, DatagramScript.Echo, static options => options.SocketPerLoop = true);

        await Assert.ThrowsAsync<AddressInUseException>(() => DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive,
            DatagramScript.Echo,
            static options => options.SocketPerLoop = true,
            $"udp://{first.EndPoint}"));
    }

    [Fact]
    public async Task An_endpoint_that_cannot_start_leaves_no_descriptor()
    {
        var before = ProcessState.Descriptors().Count();

        await Assert.ThrowsAsync<InvalidOperationException>(() => DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive,
            DatagramScript.Echo,
            static options =>
            {
                options.SocketPerLoop = true;
                options.ConfigureSocket = static _ => throw new InvalidOperationException("planned");
            }));
        var failing = DatagramServer.Create(
            new TestSettings { Scheduling = ApplicationScheduling.Adaptive },
            new DatagramScript
            {
                OnDatagrams = DatagramScript.Echo,
                OnStarted = static () => throw new InvalidOperationException("planned"),
            });
        await Assert.ThrowsAsync<InvalidOperationException>(() => failing.StartAsync());
        await failing.DisposeAsync().AsTask().DefaultTimeout();

        await Poll.UntilAsync(() => ProcessState.Descriptors().Count() <= before);
    }

    [Fact]
    public async Task Options_reach_the_socket()
    {
        var context = (EndPoint?)null;
        await using var server = await DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive,
            DatagramScript.Echo,
            options =>
            {
                options.ReusePort = true;
                options.ConfigureSocket = socket => context = socket.EndPoint;
            });
        await using var second = await DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive,
            DatagramScript.Echo,
            static options => options.ReusePort = true,
            $"udp://{server.EndPoint}");

        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 0), context);
        Assert.Equal(server.EndPoint, second.EndPoint);
    }

    [Fact]
    public void Addresses_are_equal_by_value()
    {
        var one = DatagramAddress.FromEndPoint(IPEndPoint.Parse("127.0.0.1:53"));
        var same = DatagramAddress.FromEndPoint(IPEndPoint.Parse("127.0.0.1:53"));
        var other = DatagramAddress.FromEndPoint(IPEndPoint.Parse("[::1]:53"));

        Assert.True(one == same);
        Assert.True(one != other);
        Assert.Equal(one.GetHashCode(), same.GetHashCode());
        Assert.Equal("127.0.0.1:53", one.ToString());
        Assert.Equal(53, other.Port);
        Assert.True(default(DatagramAddress).IsEmpty);
        Assert.Null(default(DatagramAddress).ToEndPoint());
    }
}
