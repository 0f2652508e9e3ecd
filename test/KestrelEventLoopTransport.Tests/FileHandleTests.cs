using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests;

[Trait("Contract", "10")]
public sealed class FileHandleTests
{
    public static MatrixTheoryData<ApplicationScheduling, FileHandleType, bool> TcpCases
        => new(
            Enum.GetValues<ApplicationScheduling>(),
            [FileHandleType.Auto, FileHandleType.Tcp],
            [false, true]);

    public static MatrixTheoryData<ApplicationScheduling, FileHandleType, bool> UnixCases
        => new(
            Enum.GetValues<ApplicationScheduling>(),
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

    // Better than stock: there the descriptor may stay registered with the runtime's own poller and then accepts no more.
    [Theory]
    [MemberData(nameof(Schedulings.All), MemberType = typeof(Schedulings))]
    [Trait("Stock", "fails")]
    public async Task A_descriptor_that_survived_a_stop_serves_the_next_start(ApplicationScheduling scheduling)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));

        await ServeAsync(scheduling, socket, FileHandleType.Auto, starts: 3);
    }

    [Theory]
    [MemberData(nameof(Schedulings.All), MemberType = typeof(Schedulings))]
    public async Task The_listener_reports_the_descriptors_address(ApplicationScheduling scheduling)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await using var transport = new TestTransport(scheduling);

        var listener = await transport.BindAsync(new FileHandleEndPoint((ulong)socket.Handle, FileHandleType.Auto));

        Assert.Equal(socket.LocalEndPoint, listener.EndPoint);
    }

    [Theory]
    [MemberData(nameof(Schedulings.All), MemberType = typeof(Schedulings))]
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

    private static async Task ServeAsync(ApplicationScheduling scheduling, Socket socket, FileHandleType type, int starts)
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
