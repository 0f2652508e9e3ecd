using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Listening;

[Trait("Contract", "10")]
public sealed class FileHandleTests
{
    // Linux's AF_VSOCK, for which .NET has no name.
    private const AddressFamily Vsock = (AddressFamily)40;
    private const int IPPROTO_SCTP = 132;
    private const int IPPROTO_MPTCP = 262;

    public static MatrixTheoryData<ApplicationScheduling, FileHandleType, bool> TcpCases
        => new(
            EveryScheduling.Values,
            [FileHandleType.Auto, FileHandleType.Tcp],
            [false, true]);

    public static MatrixTheoryData<ApplicationScheduling, FileHandleType, bool> UnixCases
        => new(
            EveryScheduling.Values,
            [FileHandleType.Auto, FileHandleType.Pipe],
            [false, true]);

    [Theory]
    [MemberData(nameof(TcpCases))]
    public async Task A_TCP_descriptor_is_served_and_stays_open(
        ApplicationScheduling scheduling,
        FileHandleType type,
        bool listening)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        if (listening)
        {
            socket.Listen();
        }

        await ServeAsync(scheduling, socket, type, starts: 1);
    }

    [Theory]
    [MemberData(nameof(UnixCases))]
    public async Task A_Unix_descriptor_is_served_stays_open_and_its_path_stays(
        ApplicationScheduling scheduling,
        FileHandleType type,
        bool listening)
    {
        using var path = new SocketPath();
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path.Path));
        if (listening)
        {
            socket.Listen();
        }

        await ServeAsync(scheduling, socket, type, starts: 1);

        Assert.True(File.Exists(path.Path));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [FailsOnStock(
        "On stock the descriptor may stay registered with the runtime's own poller, and then accepts no more.")]
    public async Task A_descriptor_that_survived_a_stop_serves_the_next_start(ApplicationScheduling scheduling)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));

        await ServeAsync(scheduling, socket, FileHandleType.Auto, starts: 3);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task The_listener_reports_the_descriptors_address(ApplicationScheduling scheduling)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await using var transport = new TestTransport(scheduling);

        var listener = await transport.BindAsync(new FileHandleEndPoint((ulong)socket.Handle, FileHandleType.Auto));

        Assert.Equal(socket.LocalEndPoint, listener.EndPoint);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_descriptor_that_is_no_socket_is_refused_and_stays_open(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        using var file = File.OpenRead(typeof(FileHandleTests).Assembly.Location);
        var fd = (int)file.SafeFileHandle.DangerousGetHandle();

        var exception = await Assert.ThrowsAnyAsync<SocketException>(
            () => transport.BindAsync(new FileHandleEndPoint((ulong)fd, FileHandleType.Auto)));

        Assert.Equal(SocketError.NotSocket, exception.SocketErrorCode);
        Assert.True(Libc.fcntl(fd, Libc.F_GETFD) >= 0);
        Assert.True(file.ReadByte() >= 0);
    }

    // Multipath TCP and SCTP are stream sockets with IP addresses too; Unix has two more kinds.
    [Theory]
    [InlineData(AddressFamily.InterNetwork, SocketType.Dgram, 0)]
    [InlineData(AddressFamily.InterNetwork, SocketType.Stream, IPPROTO_SCTP)]
    [InlineData(AddressFamily.InterNetworkV6, SocketType.Stream, IPPROTO_SCTP)]
    [InlineData(AddressFamily.InterNetwork, SocketType.Stream, IPPROTO_MPTCP)]
    [InlineData(AddressFamily.Unix, SocketType.Seqpacket, 0)]
    [InlineData(AddressFamily.Unix, SocketType.Dgram, 0)]
    [InlineData(Vsock, SocketType.Stream, 0)]
    [FailsOnStock("Stock takes sockets of every kind.")]
    public async Task A_socket_of_another_kind_is_left_to_another_transport(
        AddressFamily family, SocketType type, int protocol)
    {
        var fd = CreateSocket(family, type, protocol);
        try
        {
            await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
            var selector = Assert.IsType<IConnectionListenerFactorySelector>(transport.Factory, exactMatch: false);
            var endPoint = new FileHandleEndPoint((ulong)fd, FileHandleType.Auto);

            Assert.False(selector.CanBind(endPoint));

            Assert.Single(transport.Logs.Entries, static entry => entry.EventId.Name == "DescriptorLeft");
            var exception = await Assert.ThrowsAsync<NotSupportedException>(() => transport.BindAsync(endPoint));
            Assert.Contains($"Descriptor {fd} ", exception.Message, StringComparison.Ordinal);
            Assert.True(Libc.fcntl(fd, Libc.F_GETFD) >= 0);
        }
        finally
        {
            Libc.close(fd);
        }
    }

    // One server, two descriptors: a start that takes the one must not fail for the other.
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_socket_of_Multipath_TCP_is_served_by_the_stock_transport(ApplicationScheduling scheduling)
    {
        var fd = CreateSocket(AddressFamily.InterNetwork, SocketType.Stream, IPPROTO_MPTCP);
        using var socket = new Socket(new SafeSocketHandle(fd, ownsHandle: true));
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var address = (IPEndPoint)socket.LocalEndPoint!;
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            Kestrel = kestrel => kestrel.ListenHandle(
                (ulong)socket.Handle, static listen => listen.Use(static _ => Echo.RunAsync)),
            Pools = null,
        });

        using var client = await server.ConnectAsync();
        using var multipath = await RawClient.ConnectAsync(address);

        await Echo.RoundTripAsync(client);
        await Echo.RoundTripAsync(multipath);
    }

    /// <summary>Skips the test where the kernel has no such socket.</summary>
    private static int CreateSocket(AddressFamily family, SocketType type, int protocol)
    {
        var number = family switch
        {
            AddressFamily.InterNetwork => 2,
            AddressFamily.InterNetworkV6 => 10,
            AddressFamily.Unix => Libc.AF_UNIX,
            _ => (int)family,
        };
        var fd = Libc.socket(number, (int)type, protocol);
        Assert.SkipUnless(fd >= 0, "The kernel has no such sockets.");
        return fd;
    }

    private static async Task ServeAsync(
        ApplicationScheduling scheduling, Socket socket, FileHandleType type, int starts)
    {
        var fd = (int)socket.Handle;
        var identity = new FileInfo($"/proc/self/fd/{fd}").LinkTarget;

        for (var i = 0; i < starts; i++)
        {
            await using var server = await TestServer.StartAsync(new TestSettings
            {
                Scheduling = scheduling,
                Connection = Echo.RunAsync,
                EndPoint = new FileHandleEndPoint((ulong)fd, type),
            });
            using (var client = await RawClient.ConnectAsync(socket.LocalEndPoint!))
            {
                await Echo.RoundTripAsync(client);
            }

            await server.StopAsync();
            Assert.True(Libc.fcntl(fd, Libc.F_GETFD) >= 0);
            Assert.Equal(identity, new FileInfo($"/proc/self/fd/{fd}").LinkTarget);
        }
    }
}
