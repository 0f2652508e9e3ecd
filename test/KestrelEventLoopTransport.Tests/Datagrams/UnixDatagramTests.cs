using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Datagrams;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Options;
using NativeLibc = KestrelEventLoopTransport.Native.Libc;
using TestLibrary = KestrelEventLoopTransport.Tests.Infrastructure.Libc;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>Datagram endpoints that are Unix sockets.</summary>
[Collection(ProcessWide.Name)]
public sealed class UnixDatagramTests
{
    // socket(7), unix(7)
    private const int SCM_RIGHTS = 1;

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_peer_with_a_name_gets_its_answers(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        using var ownPath = new SocketPath();
        await using var server = await StartAsync(path, scheduling: scheduling);
        using var client = Connect(path, ownPath);

        foreach (var length in (int[])[0, 1, 128, 9_000, 65_535])
        {
            DatagramServer.RoundTrip(client, Pattern.Create(length));
        }

        Assert.Equal(5, server.Endpoint.ReceivedDatagrams);
        Assert.Equal(path.Path, server.Endpoint.EndPoint.ToString());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Two_peers_do_not_get_each_others_answers(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        using var firstPath = new SocketPath();
        using var secondPath = new SocketPath();
        await using var server = await StartAsync(path, scheduling: scheduling);
        using var first = Connect(path, firstPath);
        using var second = Connect(path, secondPath);

        for (byte i = 0; i < 100; i++)
        {
            first.Send([1, i]);
            second.Send([2, i]);
            Assert.Equal([1, i], DatagramServer.Receive(first));
            Assert.Equal([2, i], DatagramServer.Receive(second));
        }
    }

    [Fact]
    public async Task Abstract_names_are_served_and_sent_to()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux has abstract names.");
        var name = $"kelt-{Guid.NewGuid():N}";
        await using var server = await DatagramServer.StartAsync(
            ApplicationScheduling.Adaptive, DatagramScript.Echo, url: $"unix:@{name}");
        using var client = NewSocket();
        client.Bind(new UnixDomainSocketEndPoint($"\0{name}-client"));
        client.Connect(new UnixDomainSocketEndPoint('\0' + name));

        DatagramServer.RoundTrip(client, [1, 2, 3]);
        var to = DatagramAddress.FromEndPoint(new UnixDomainSocketEndPoint($"\0{name}-client"));
        Assert.Equal(DatagramSendStatus.Sent, server.Endpoint.Sender.Send([4], to).Status);

        Assert.Equal([4], DatagramServer.Receive(client));
    }

    [Fact]
    public async Task A_peer_without_a_name_is_received_and_cannot_be_answered()
    {
        using var path = new SocketPath();
        using var ownPath = new SocketPath();
        var results = new List<DatagramSendResult>();
        var peers = new List<DatagramAddress>();
        await using var server = await StartAsync(path, (datagrams, sender) =>
        {
            foreach (ref readonly var datagram in datagrams)
            {
                peers.Add(datagram.RemoteAddress);
                results.Add(sender.Reply(datagram.Payload, datagram));
            }
        });
        using var nameless = NewSocket();
        nameless.Connect(new UnixDomainSocketEndPoint(path.Path));
        using var named = Connect(path, ownPath);

        nameless.Send([1]);
        DatagramServer.RoundTrip(named, [2]);

        Assert.Equal([true, false], peers.Select(static peer => peer.IsEmpty));
        Assert.Equal(ownPath.Path, peers[1].ToUnixEndPoint()!.ToString());
        Assert.Equal(ownPath.Path, peers[1].ToString());
        Assert.Null(peers[1].ToEndPoint());
        Assert.Equal(DatagramAddress.FromEndPoint(new UnixDomainSocketEndPoint(ownPath.Path)), peers[1]);
        Assert.Equal(
            new DatagramSendResult(DatagramSendStatus.Failed, SocketError.DestinationAddressRequired), results[0]);
        Assert.Empty(server.Script.Errors);
        Assert.Equal(1, server.Endpoint.FailedSends);
    }

    [Fact]
    public async Task A_peer_that_does_not_read_keeps_no_answer_from_others()
    {
        using var path = new SocketPath();
        using var idlePath = new SocketPath();
        using var ownPath = new SocketPath();
        var failures = 0;
        await using var server = await StartAsync(path, (datagrams, sender) =>
        {
            foreach (ref readonly var datagram in datagrams)
            {
                var answer = sender.Reply(datagram.Payload, datagram);
                failures += answer.Status == DatagramSendStatus.Failed ? 1 : 0;
            }
        });

        // Not connected: the queue of a connected peer has no bound but the sender's buffer (unix(7)).
        using var idle = NewSocket();
        idle.Bind(new UnixDomainSocketEndPoint(idlePath.Path));
        using var client = Connect(path, ownPath);
        var to = DatagramAddress.FromEndPoint(new UnixDomainSocketEndPoint(idlePath.Path));
        DatagramSendResult result;
        while ((result = server.Endpoint.Sender.Send([0], to)).Status == DatagramSendStatus.Sent)
        {
        }

        Assert.Equal(new DatagramSendResult(DatagramSendStatus.Failed, SocketError.WouldBlock), result);
        idle.SendTo([1], new UnixDomainSocketEndPoint(path.Path));
        DatagramServer.RoundTrip(client, [2]);

        // The call itself gets the errors of what it sends when it is overdue.
        await Poll.UntilAsync(() => server.Script.Errors.Count + Volatile.Read(ref failures) == 1);
        Assert.All(server.Script.Errors, error => Assert.Equal((SocketError.WouldBlock, to), error));
    }

    [Fact]
    public async Task A_peer_that_has_gone_is_an_error_of_its_answer()
    {
        using var path = new SocketPath();
        using var ownPath = new SocketPath();
        using var entered = new ManualResetEventSlim();
        using var gone = new ManualResetEventSlim();
        await using var server = await StartAsync(path, (datagrams, sender) =>
        {
            entered.Set();
            gone.Wait();
            DatagramScript.Echo(datagrams, sender);
        });
        using (var client = Connect(path, ownPath))
        {
            client.Send([1]);
            Assert.True(entered.Wait(TaskTimeoutExtensions.Default));
        }

        gone.Set();
        await Poll.UntilAsync(() => server.Endpoint.FailedSends == 1);
        using var otherPath = new SocketPath();
        using var other = Connect(path, otherPath);
        DatagramServer.RoundTrip(other, [2]);
    }

    [Fact]
    public async Task The_file_goes_with_the_endpoint_and_has_the_permissions_of_the_option()
    {
        using var path = new SocketPath();
        await using var server = await StartAsync(
            path, configure: static options => options.Unix.FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path.Path));

        await server.StopAsync();

        Assert.False(File.Exists(path.Path));
    }

    [Fact]
    public async Task A_file_that_another_socket_has_put_in_its_place_stays()
    {
        using var path = new SocketPath();
        await using var server = await StartAsync(path);
        File.Delete(path.Path);
        using var other = NewSocket();
        other.Bind(new UnixDomainSocketEndPoint(path.Path));

        await server.StopAsync();

        Assert.True(File.Exists(path.Path));
    }

    [Fact]
    public async Task A_stale_file_is_replaced_and_one_in_use_is_not()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere a refusal does not prove that a file is stale.");
        using var path = new SocketPath();
        var crashed = TestLibrary.socket(Posix.AF_UNIX, Posix.SOCK_DGRAM, 0);
        TestLibrary.BindUnix(crashed, path.Path);
        Assert.Equal(0, TestLibrary.close(crashed));
        Assert.True(File.Exists(path.Path));
        await using var server = await StartAsync(path);

        await Assert.ThrowsAsync<AddressInUseException>(() => StartAsync(path));

        using var ownPath = new SocketPath();
        using var client = Connect(path, ownPath);
        DatagramServer.RoundTrip(client, [1]);
    }

    [Fact]
    public async Task Descriptors_that_a_peer_passes_are_closed()
    {
        using var path = new SocketPath();
        using var ownPath = new SocketPath();
        await using var server = await StartAsync(path);
        using var client = Connect(path, ownPath);
        using var passed = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        DatagramServer.RoundTrip(client, [1]);
        var before = ProcessState.Descriptors().Count();

        for (var i = 0; i < 10; i++)
        {
            Pass(client, passed);
            Assert.Equal([7], DatagramServer.Receive(client));
        }

        Assert.InRange(ProcessState.Descriptors().Count(), 0, before + 5);
    }

    [Fact]
    public async Task Options_that_only_IP_has_stop_the_application()
    {
        using var path = new SocketPath();
        foreach (var (set, option) in ((Action<DatagramEndpointOptions>, string)[])
        [
            (static options => options.SocketPerLoop = true, "SocketPerLoop"),
            (static options => options.ReceiveOffload = true, "ReceiveOffload"),
            (static options => options.ReusePort = true, "ReusePort"),
            (static options => options.Broadcast = true, "Broadcast"),
            (static options => options.DualMode = true, "DualMode"),
            (static options => options.RemoteEndPoint = new IPEndPoint(IPAddress.Loopback, 1), "RemoteEndPoint"),
            (static options => options.Multicast.Groups.Add(new() { Address = "239.1.1.1" }), "Multicast.Groups"),
            (static options => options.Multicast.Interface = "lo", "Multicast.Interface"),
            (static options => options.Multicast.TimeToLive = 1, "Multicast.TimeToLive"),
            (static options => options.Multicast.Loopback = true, "Multicast.Loopback"),
        ])
        {
            var exception = await Assert.ThrowsAsync<OptionsValidationException>(
                () => StartAsync(path, configure: set));
            Assert.Equal(
                $"DatagramEndpointOptions.{option} of unix:{path.Path} is set; a Unix socket has no such option.",
                exception.Message);
        }

        Assert.False(File.Exists(path.Path));
    }

    [Fact]
    public async Task An_address_of_another_kind_is_an_error_of_its_datagram()
    {
        using var path = new SocketPath();
        using var ownPath = new SocketPath();
        await using var unix = await StartAsync(path);
        await using var ip = await DatagramServer.StartAsync(ApplicationScheduling.Adaptive, DatagramScript.Echo);
        var unixAddress = DatagramAddress.FromEndPoint(new UnixDomainSocketEndPoint(path.Path));
        var ipAddress = DatagramAddress.FromEndPoint(ip.EndPoint);

        Assert.Equal(DatagramSendStatus.Failed, ip.Endpoint.Sender.Send([1], unixAddress).Status);
        Assert.Equal(DatagramSendStatus.Failed, unix.Endpoint.Sender.Send([1], ipAddress).Status);
        Assert.Throws<ArgumentException>(() => DatagramAddress.FromEndPoint(new DnsEndPoint("localhost", 1)));

        // A source of another kind is passed over, as one that the kernel chooses.
        using var client = Connect(path, ownPath);
        using var ipClient = ip.Connect();
        var to = DatagramAddress.FromEndPoint(new UnixDomainSocketEndPoint(ownPath.Path));
        Assert.Equal(DatagramSendStatus.Sent, unix.Endpoint.Sender.Send([2], to, ipAddress).Status);
        Assert.Equal([2], DatagramServer.Receive(client));
        var ipTo = DatagramAddress.FromEndPoint((IPEndPoint)ipClient.LocalEndPoint!);
        Assert.Equal(DatagramSendStatus.Sent, ip.Endpoint.Sender.Send([3], ipTo, unixAddress).Status);
        Assert.Equal([3], DatagramServer.Receive(ipClient));
    }

    private static Task<DatagramServer> StartAsync(
        SocketPath path,
        DatagramScript.Receive? onDatagrams = null,
        Action<DatagramEndpointOptions>? configure = null,
        ApplicationScheduling scheduling = ApplicationScheduling.Adaptive)
        => DatagramServer.StartAsync(scheduling, onDatagrams ?? DatagramScript.Echo, configure, $"unix:{path.Path}");

    private static Socket NewSocket() => new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified)
    {
        ReceiveTimeout = (int)TaskTimeoutExtensions.Default.TotalMilliseconds,
    };

    private static Socket Connect(SocketPath path, SocketPath ownPath)
    {
        var socket = NewSocket();
        socket.Bind(new UnixDomainSocketEndPoint(ownPath.Path));
        socket.Connect(new UnixDomainSocketEndPoint(path.Path));
        return socket;
    }

    private static unsafe void Pass(Socket client, Socket passed)
    {
        byte payload = 7;
        var control = stackalloc byte[32];
        *(int*)ControlData.Begin(control, Platform.SOL_SOCKET, SCM_RIGHTS, sizeof(int)) = (int)passed.Handle;
        var vector = new iovec { iov_base = &payload, iov_len = 1 };
        var message = new msghdr
        {
            msg_iov = &vector,
            msg_iovlen = 1,
            msg_control = control,
            msg_controllen = (nuint)ControlData.Space(sizeof(int)),
        };
        Assert.Equal(1, NativeLibc.sendmsg((int)client.Handle, &message, 0));
    }
}
