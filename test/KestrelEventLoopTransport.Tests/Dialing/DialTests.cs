using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>Dials to real sockets: what they connect to.</summary>
[Trait("Contract", "client")]
[FailsOnStock("Stock's client is internal.")]
public sealed class DialTests : IDisposable
{
    private readonly SocketPath _path = new();

    public void Dispose() => _path.Dispose();

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Connects_to_every_kind_of_endpoint(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        EndPoint[] endPoints =
        [
            new IPEndPoint(IPAddress.Loopback, 0),
            new IPEndPoint(IPAddress.IPv6Loopback, 0),
            new UnixDomainSocketEndPoint(_path.Path),
            new UnixDomainSocketEndPoint("/@kelt-dial-" + Guid.NewGuid()),
        ];
        foreach (var endPoint in endPoints)
        {
            var listener = await transport.BindAsync(endPoint);
            var target = endPoint is IPEndPoint ? listener.EndPoint : endPoint;
            await AssertConnectsAsync(transport, listener, target);
        }
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public async Task A_name_that_is_an_address_is_not_resolved(string host)
    {
        await using var transport = DialTransport.Create(
            static (_, _, _) => throw new InvalidOperationException("Not asked."));
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Parse(host), 0));

        await AssertConnectsAsync(transport, listener, new DnsEndPoint(host, PortOf(listener)));
    }

    // The kernel has the connection when connect(2) returns, so nothing is awaited and no loop is woken.
    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public async Task A_loopback_address_is_connected_to_at_once(string address)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Other systems may finish the handshake later.");
        const int Attempts = 20;
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Parse(address), 0));
        var atOnce = 0;
        for (var i = 0; i < Attempts; i++)
        {
            // On the pool: its threads run no loop.
            var isCompleted = false;
            await using var dialed = await Task.Run(() =>
            {
                var dial = transport.Client.ConnectAsync(listener.EndPoint);
                isCompleted = dial.IsCompleted;
                return dial.AsTask();
            }).DefaultTimeout();
            await using var accepted = await listener.AcceptAsync().DefaultTimeout();
            Assert.Equal(accepted!.RemoteEndPoint, dialed.LocalEndPoint);
            atOnce += isCompleted ? 1 : 0;
        }

        // A busy kernel may leave the handshake to another thread.
        Assert.NotEqual(0, atOnce);
    }

    [Fact]
    public async Task The_name_of_this_host_connects()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var listener = await transport.BindAsync();

        await AssertConnectsAsync(transport, listener, new DnsEndPoint("localhost", PortOf(listener)));
    }

    // The first family refuses, the second accepts.
    [Fact]
    public async Task A_refused_address_is_followed_by_the_next()
    {
        await using var transport = DialTransport.Create(DialTransport.BothLoopbacksAsync);
        var listener = await transport.BindAsync();

        await AssertConnectsAsync(transport, listener, new DnsEndPoint("both.test", PortOf(listener)));
    }

    // The first address gives no answer: its listener's queue is full.
    [Fact]
    public async Task An_address_that_does_not_answer_is_overtaken_by_the_next()
    {
        await using var transport = DialTransport.Create(DialTransport.BothLoopbacksAsync);
        var listener = await transport.BindAsync();
        var port = PortOf(listener);
        using var deaf = new DeafListener(new IPEndPoint(IPAddress.IPv6Loopback, port));
        var connecting = CountConnectingTo(port);

        await AssertConnectsAsync(transport, listener, new DnsEndPoint("both.test", port));

        // The loser is closed.
        await Poll.UntilAsync(() => CountConnectingTo(port) <= connecting);
    }

    // The second attempt begins on the thread pool, after the first is refused.
    [Fact]
    public async Task The_hook_runs_in_the_context_of_the_caller()
    {
        var local = new AsyncLocal<string>();
        var seen = new List<string?>();
        await using var transport = DialTransport.Create(
            DialTransport.BothLoopbacksAsync,
            options => options.ConfigureClientSocket = _ => seen.Add(local.Value));
        var listener = await transport.BindAsync();
        local.Value = "caller";

        await AssertConnectsAsync(transport, listener, new DnsEndPoint("both.test", PortOf(listener)));

        Assert.Equal(["caller", "caller"], seen);
    }

    [Fact]
    public async Task A_slow_answer_for_the_other_family_is_not_waited_for()
    {
        await using var transport = DialTransport.Create(static (name, family, token)
            => family == AddressFamily.InterNetworkV6
                ? DialTransport.NeverAsync(name, family, token)
                : DialTransport.BothLoopbacksAsync(name, family, token));
        var listener = await transport.BindAsync();

        await AssertConnectsAsync(transport, listener, new DnsEndPoint("slow.test", PortOf(listener)));
    }

    [Fact]
    public async Task A_unix_listener_without_room_is_tried_again()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var endPoint = new UnixDomainSocketEndPoint(_path.Path);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(endPoint);
        listener.Listen(0);
        await using var first = await transport.Client.ConnectAsync(endPoint).DefaultTimeout();
        var second = transport.Client.ConnectAsync(endPoint).AsTask();
        Assert.False(second.IsCompleted);

        using var accepted = await listener.AcceptAsync().DefaultTimeout();

        await using var connection = await second.DefaultTimeout();
        Assert.NotNull(connection.RemoteEndPoint);
    }

    private static async Task AssertConnectsAsync(
        TestTransport transport, IConnectionListener listener, EndPoint target)
    {
        await using var dialed = await transport.Client.ConnectAsync(target).DefaultTimeout();
        await using var accepted = await listener.AcceptAsync().DefaultTimeout();
        await dialed.Transport.Output.WriteAsync(Pattern.Create(100)).DefaultTimeout();
        var received = await accepted!.Transport.Input.ReadAtLeastAsync(100).DefaultTimeout();
        Assert.Equal(100, received.Buffer.Length);
        accepted.Transport.Input.AdvanceTo(received.Buffer.End);
        Assert.Equal(listener.EndPoint, dialed.RemoteEndPoint);
        if (target is not UnixDomainSocketEndPoint)
        {
            Assert.Equal(accepted.RemoteEndPoint, dialed.LocalEndPoint);
        }
    }

    private static int PortOf(IConnectionListener listener) => ((IPEndPoint)listener.EndPoint).Port;

    /// <summary>Sockets of this machine in SYN_SENT to a port.</summary>
    private static int CountConnectingTo(int port)
        => File.ReadLines("/proc/net/tcp6").Concat(File.ReadLines("/proc/net/tcp"))
            .Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Count(fields => fields[2].EndsWith($":{port:X4}", StringComparison.Ordinal) && fields[3] == "02");
}
