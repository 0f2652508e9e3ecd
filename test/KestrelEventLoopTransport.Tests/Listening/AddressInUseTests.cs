using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Listening;

public sealed class AddressInUseTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "6")]
    public async Task BindAsync_throws_AddressInUseException_around_the_SocketException(
        ApplicationScheduling scheduling)
    {
        using var occupant = Occupy();
        await using var transport = new TestTransport(scheduling);

        var exception = await Assert.ThrowsAsync<AddressInUseException>(
            () => transport.BindAsync(occupant.LocalEndPoint!));

        var inner = Assert.IsType<SocketException>(exception.InnerException, exactMatch: false);
        Assert.Equal(SocketError.AddressAlreadyInUse, inner.SocketErrorCode);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "6")]
    public async Task Kestrel_reports_the_address(ApplicationScheduling scheduling)
    {
        using var occupant = Occupy();

        var exception = await Assert.ThrowsAsync<IOException>(() => TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            EndPoint = occupant.LocalEndPoint!,
        }));

        Assert.StartsWith($"Failed to bind to address http://{occupant.LocalEndPoint}", exception.Message);
        Assert.IsType<AddressInUseException>(exception.InnerException);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "6")]
    public async Task A_listener_with_SO_REUSEADDR_occupies_the_address(ApplicationScheduling scheduling)
    {
        // On Linux, Socket sets SO_REUSEADDR before every bind.
        using var occupant = Occupy();
        Assert.Equal(1, Libc.GetSocketOption((int)occupant.Handle, Libc.SOL_SOCKET, Libc.SO_REUSEADDR));
        await using var transport = new TestTransport(scheduling);

        await Assert.ThrowsAsync<AddressInUseException>(() => transport.BindAsync(occupant.LocalEndPoint!));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "8")]
    public async Task A_listener_with_SO_REUSEPORT_occupies_the_address(ApplicationScheduling scheduling)
    {
        using var occupant = Occupy(reusePort: true);
        await using var transport = new TestTransport(scheduling, static options => options.EventLoopCount = 4);

        await Assert.ThrowsAsync<AddressInUseException>(() => transport.BindAsync(occupant.LocalEndPoint!));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "8")]
    public async Task A_second_listener_of_the_same_factory_is_refused(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling, static options => options.EventLoopCount = 4);
        var listener = await transport.BindAsync();

        await Assert.ThrowsAsync<AddressInUseException>(() => transport.BindAsync(listener.EndPoint));

        await using var pair = await transport.ConnectAsync(listener);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "8")]
    public async Task A_second_server_is_refused_and_the_first_goes_on(ApplicationScheduling scheduling)
    {
        await using var first = new TestTransport(scheduling, static options => options.EventLoopCount = 4);
        await using var second = new TestTransport(scheduling, static options => options.EventLoopCount = 4);
        var listener = await first.BindAsync();

        await Assert.ThrowsAsync<AddressInUseException>(() => second.BindAsync(listener.EndPoint));

        await using var pair = await first.ConnectAsync(listener);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "8")]
    public async Task The_port_is_not_shared_with_another_SO_REUSEPORT_socket(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling, static options => options.EventLoopCount = 4);
        var listener = await transport.BindAsync();

        var exception = Assert.ThrowsAny<SocketException>(() =>
        {
            using var intruder = ReusePortSocket();
            intruder.Bind(listener.EndPoint);
            intruder.Listen();
        });

        Assert.Equal(SocketError.AddressAlreadyInUse, exception.SocketErrorCode);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "6")]
    [FailsOnStock("Stock maps only the bind: there this is a bare SocketException.")]
    public async Task Listen_that_finds_the_address_in_use_is_mapped_too(ApplicationScheduling scheduling)
    {
        // Two sockets with SO_REUSEADDR may be bound to one port as long as neither listens.
        using var bound = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        bound.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        using var occupant = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        occupant.Bind(bound.LocalEndPoint!);
        occupant.Listen();
        await using var transport = new TestTransport(scheduling);

        await Assert.ThrowsAsync<AddressInUseException>(
            () => transport.BindAsync(new FileHandleEndPoint((ulong)bound.Handle, FileHandleType.Tcp)));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "6")]
    public async Task A_failed_bind_can_be_repeated_when_the_address_is_free(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        EndPoint endPoint;
        using (var occupant = Occupy())
        {
            endPoint = occupant.LocalEndPoint!;
            await Assert.ThrowsAsync<AddressInUseException>(() => transport.BindAsync(endPoint));
        }

        var listener = await transport.BindAsync(endPoint);

        await using var pair = await transport.ConnectAsync(listener);
        Assert.Equal(endPoint, listener.EndPoint);
    }

    private static Socket Occupy(bool reusePort = false)
    {
        var socket = reusePort ? ReusePortSocket() : new Socket(
            AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen();
        return socket;
    }

    private static Socket ReusePortSocket()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.SetRawSocketOption(Libc.SOL_SOCKET, Libc.SO_REUSEPORT, BitConverter.GetBytes(1));
        return socket;
    }
}
