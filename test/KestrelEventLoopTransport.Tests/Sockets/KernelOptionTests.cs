using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace KestrelEventLoopTransport.Tests.Sockets;

/// <summary>Every option is read back from the kernel, on the listening socket and on an accepted one.</summary>
[Slow]
public sealed class KernelOptionTests
{
    public enum Family
    {
        IPv4,
        IPv6,
        DualFromIPv4,
        DualFromIPv6,
    }

    public static TheoryData<string, Family> IPOptions
    {
        get
        {
            var data = new TheoryData<string, Family>();
            foreach (var family in Enum.GetValues<Family>())
            {
                foreach (var name in OptionsOf(family).Keys)
                {
                    data.Add(name, family);
                }
            }

            return data;
        }
    }

    public static TheoryData<string> UnixOptions => [.. KernelOption.OfUnix.Keys];

    [Theory]
    [MemberData(nameof(IPOptions))]
    [Trait("Contract", "options")]
    [FailsOnStock("Options of ours.")]
    public async Task An_option_is_what_the_kernel_shows(string name, Family family)
    {
        Assert.SkipUnless(family == Family.IPv4 || Socket.OSSupportsIPv6, "No IPv6 here.");
        var option = OptionsOf(family)[name];
        byte[]? inHook = null;
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive, options =>
        {
            option.Set(options.EndpointDefaults);
            options.EndpointDefaults.ConfigureAcceptedSocket = accepted => inHook = Libc.GetSocketOptionBytes(
                accepted.FileDescriptor, option.Level, option.Name);
        });
        var listener = await transport.BindAsync(BoundTo(family));
        var port = ((IPEndPoint)listener.EndPoint).Port;
        using var client = await RawClient.ConnectAsync(new IPEndPoint(PeerOf(family), port));

        // TCP_DEFER_ACCEPT holds a connection back until there is data.
        await client.SendAsync("x");
        await using var connection = await listener.AcceptAsync().DefaultTimeout();

        var listening = ListeningSockets.FindDescriptors(listener.EndPoint);
        Assert.NotEmpty(listening);

        // A listening socket shows TCP_QUICKACK as 1 whatever is set, and a connection changes it as it goes on
        // (tcp(7)).
        if (name != "Tcp.QuickAck")
        {
            Assert.All(
                listening,
                fd => Assert.Equal(option.Listener, Libc.GetSocketOptionBytes(fd, option.Level, option.Name)));
        }

        if (option.Accepted is not null)
        {
            Assert.Equal(option.Accepted, inHook);
            if (name != "Tcp.QuickAck")
            {
                Assert.Equal(
                    option.Accepted, Libc.GetSocketOptionBytes(DescriptorOf(connection!), option.Level, option.Name));
            }
        }
    }

    // Guards the test above: an option that is not set must not show what it expects.
    [Theory]
    [MemberData(nameof(IPOptions))]
    [Trait("Contract", "options")]
    [FailsOnStock("Options of ours.")]
    public async Task An_option_that_is_not_set_stays_as_on_a_plain_socket(string name, Family family)
    {
        Assert.SkipUnless(family == Family.IPv4 || Socket.OSSupportsIPv6, "No IPv6 here.");
        var option = OptionsOf(family)[name];
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        var listener = await transport.BindAsync(BoundTo(family));
        var port = ((IPEndPoint)listener.EndPoint).Port;
        using var client = await RawClient.ConnectAsync(new IPEndPoint(PeerOf(family), port));
        await using var connection = await listener.AcceptAsync().DefaultTimeout();
        using var plainListener = new Socket(BoundTo(family).AddressFamily, SocketType.Stream, ProtocolType.Tcp);

        // Two defaults are the stock transport's rather than the kernel's.
        plainListener.NoDelay = true;
        plainListener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        plainListener.SetRawSocketOption(Libc.SOL_SOCKET, Libc.SO_REUSEPORT, BitConverter.GetBytes(0));
        if (family is Family.DualFromIPv4 or Family.DualFromIPv6)
        {
            plainListener.DualMode = true;
        }

        plainListener.Bind(BoundTo(family));
        plainListener.Listen();
        using var plainClient = await RawClient.ConnectAsync(
            new IPEndPoint(PeerOf(family), ((IPEndPoint)plainListener.LocalEndPoint!).Port));
        using var plainAccepted = await plainListener.AcceptAsync().DefaultTimeout();

        var accepted = Libc.GetSocketOptionBytes(DescriptorOf(connection!), option.Level, option.Name);
        if (name != "IncomingCpu")
        {
            Assert.Equal(Libc.GetSocketOptionBytes((int)plainAccepted.Handle, option.Level, option.Name), accepted);
        }

        var descriptors = ListeningSockets.FindDescriptors(listener.EndPoint);
        Assert.NotEmpty(descriptors);
        Assert.All(descriptors, fd =>
        {
            var listening = Libc.GetSocketOptionBytes(fd, option.Level, option.Name);
            Assert.Equal(Libc.GetSocketOptionBytes((int)plainListener.Handle, option.Level, option.Name), listening);
            Assert.NotEqual(option.Listener, listening);
        });
        if (option.Accepted is not null)
        {
            Assert.NotEqual(option.Accepted, accepted);
        }
    }

    [Theory]
    [MemberData(nameof(UnixOptions))]
    [Trait("Contract", "options")]
    [FailsOnStock("Options of ours.")]
    public async Task An_option_is_what_the_kernel_shows_of_a_Unix_socket(string name)
    {
        using var path = new SocketPath();
        var option = KernelOption.OfUnix[name];
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive, options => option.Set(options.EndpointDefaults));
        await using var pair = await transport.ConnectAsync(
            await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path)));

        Assert.Equal(
            option.Listener,
            Libc.GetSocketOptionBytes(ListeningSockets.FindUnixDescriptor(path.Path), option.Level, option.Name));
        Assert.Equal(
            option.Accepted, Libc.GetSocketOptionBytes(DescriptorOf(pair.Connection), option.Level, option.Name));
    }

    // IP options as defaults must not keep a Unix endpoint from being bound.
    [Fact]
    [Trait("Contract", "12")]
    [FailsOnStock("Options of ours.")]
    public async Task Every_option_at_once_is_no_obstacle_to_a_Unix_socket()
    {
        using var path = new SocketPath();
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive, SetAll);
        await using var pair = await transport.ConnectAsync(
            await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path)));

        await RoundTripAsync(pair);
    }

    [Theory]
    [InlineData(AddressFamily.InterNetwork)]
    [InlineData(AddressFamily.InterNetworkV6)]
    [Trait("Contract", "10")]
    [FailsOnStock("Options of ours.")]
    public async Task A_socket_from_outside_gets_what_does_not_belong_to_binding(AddressFamily family)
    {
        Assert.SkipUnless(family == AddressFamily.InterNetwork || Socket.OSSupportsIPv6, "No IPv6 here.");
        using var socket = new Socket(family, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(
            new IPEndPoint(family == AddressFamily.InterNetwork ? IPAddress.Loopback : IPAddress.IPv6Loopback, 0));
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive, SetAll);
        var listener = await transport.BindAsync(new FileHandleEndPoint((ulong)socket.Handle, FileHandleType.Tcp));
        using var client = await RawClient.ConnectAsync(listener.EndPoint);
        await client.SendAsync("x");
        await using var connection = await listener.AcceptAsync().DefaultTimeout();

        string[] ofBinding = ["ReuseAddress", "ReusePort", "BindToDevice"];
        var options = family == AddressFamily.InterNetwork ? KernelOption.OfIP : OptionsOf(Family.IPv6);
        foreach (var (name, option) in options)
        {
            var shown = Libc.GetSocketOptionBytes((int)socket.Handle, option.Level, option.Name);
            if (ofBinding.Contains(name))
            {
                Assert.False(option.Listener.AsSpan().SequenceEqual(shown), name);
            }
            else if (name is not ("Tcp.QuickAck" or "Linger" or "Priority"))
            {
                // Linger and Priority were set again by what follows them in the list.
                Assert.True(option.Listener.AsSpan().SequenceEqual(shown), name);
            }
        }
    }

    [Theory]
    [InlineData("::", null, true)]
    [InlineData("::", false, false)]
    [InlineData("::1", null, false)]
    [InlineData("::ffff:127.0.0.1", true, true)]
    [InlineData("127.0.0.1", true, true)]
    [Trait("Contract", "4")]
    [FailsOnStock("Options of ours.")]
    public async Task DualMode_decides_whether_IPv4_is_served(string address, bool? dualMode, bool isServed)
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "No IPv6 here.");
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive, options => options.EndpointDefaults.DualMode = dualMode);
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Parse(address), 0));
        var v4 = new IPEndPoint(IPAddress.Loopback, ((IPEndPoint)listener.EndPoint).Port);

        var exception = await Record.ExceptionAsync(async () => (await RawClient.ConnectAsync(v4)).Dispose());

        Assert.Equal(isServed, exception is null);
    }

    [Fact]
    [Trait("Contract", "8")]
    [FailsOnStock("Options of ours.")]
    public async Task ReusePort_shares_the_port_with_those_who_ask_for_it_too()
    {
        await using var first = new TestTransport(
            ApplicationScheduling.Adaptive, static options => options.EndpointDefaults.ReusePort = true);
        await using var second = new TestTransport(
            ApplicationScheduling.Adaptive, static options => options.EndpointDefaults.ReusePort = true);
        await using var third = new TestTransport(ApplicationScheduling.Adaptive);

        var listener = await first.BindAsync();
        var other = await second.BindAsync(listener.EndPoint);

        Assert.Equal(listener.EndPoint, other.EndPoint);
        await Assert.ThrowsAsync<AddressInUseException>(() => third.BindAsync(listener.EndPoint));
    }

    [Fact]
    [Trait("Contract", "options")]
    [FailsOnStock("Options of ours.")]
    public async Task DeferAccept_holds_a_connection_back_until_there_is_data()
    {
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive,
            static options => options.EndpointDefaults.Tcp.DeferAccept = TimeSpan.FromMinutes(5));
        var listener = await transport.BindAsync();
        using var silent = await RawClient.ConnectAsync(listener.EndPoint);
        using var speaking = await RawClient.ConnectAsync(listener.EndPoint);
        await speaking.SendAsync("x");

        await using var connection = await listener.AcceptAsync().DefaultTimeout();

        // The silent one came first.
        Assert.Equal(speaking.Socket.LocalEndPoint, connection!.RemoteEndPoint);
    }

    // The kernel takes less at a time and signals later: nothing may get lost or stuck over it.
    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "options")]
    [FailsOnStock("Options of ours.")]
    public async Task Much_data_passes_through_small_buffers(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            Transport = static options =>
            {
                options.EndpointDefaults.Tcp.NotSentLowWatermark = 1;
                options.EndpointDefaults.SendBufferSize = 1;
                options.EndpointDefaults.ReceiveBufferSize = 1;
                options.EndpointDefaults.Tcp.MaximumSegmentSize = 88;
            },
        });
        using var client = await server.ConnectAsync();

        var receive = client.ReceiveExactlyAsync(300_000);
        await client.SendAsync(Pattern.Create(300_000));

        Pattern.AssertMatches(await receive);
    }

    private static void SetAll(EventLoopTransportOptions options)
    {
        foreach (var option in KernelOption.OfIP.Values)
        {
            option.Set(options.EndpointDefaults);
        }
    }

    private static async Task RoundTripAsync(ConnectedPair pair)
    {
        var echo = Echo.RunAsync(pair.Connection);
        await Echo.RoundTripAsync(pair.Client);
        pair.Client.ShutdownSend();
        await echo.DefaultTimeout();
    }

    private static int DescriptorOf(ConnectionContext connection)
        => (int)connection.Features.Get<IConnectionSocketFeature>()!.Socket.Handle;

    private static Dictionary<string, KernelOption> OptionsOf(Family family)
        => family == Family.IPv4 ? KernelOption.OfIP : KernelOption.OfIP.Concat(KernelOption.OfIPv6).ToDictionary();

    private static IPEndPoint BoundTo(Family family) => new(
        family switch
        {
            Family.IPv4 => IPAddress.Loopback,
            Family.IPv6 => IPAddress.IPv6Loopback,
            _ => IPAddress.IPv6Any,
        },
        0);

    private static IPAddress PeerOf(Family family)
        => family is Family.IPv4 or Family.DualFromIPv4 ? IPAddress.Loopback : IPAddress.IPv6Loopback;
}
