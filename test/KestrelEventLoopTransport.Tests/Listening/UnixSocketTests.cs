using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Listening;

[Trait("Contract", "9")]
public sealed class UnixSocketTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_path_is_served_and_deleted_on_stop(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            Connection = Echo.RunAsync,
            EndPoint = new UnixDomainSocketEndPoint(path.Path),
        });
        using (var client = await server.ConnectAsync())
        {
            await Echo.RoundTripAsync(client, 100_000);
            Assert.True(File.Exists(path.Path));
        }

        await server.StopAsync();

        Assert.False(File.Exists(path.Path));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Accepted_connections_have_both_endpoints(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));
        await using var pair = await transport.ConnectAsync(listener);

        Assert.Equal(path.Path, Assert.IsType<UnixDomainSocketEndPoint>(pair.Connection.LocalEndPoint).ToString());
        Assert.IsType<UnixDomainSocketEndPoint>(pair.Connection.RemoteEndPoint);
        Assert.Equal(path.Path, Assert.IsType<UnixDomainSocketEndPoint>(listener.EndPoint).ToString());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Unbind_deletes_the_path_and_leaves_the_connection(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));
        await using var pair = await transport.ConnectAsync(listener);

        await listener.UnbindAsync().DefaultTimeout();

        Assert.False(File.Exists(path.Path));
        var echo = Echo.RunAsync(pair.Connection);
        await Echo.RoundTripAsync(pair.Client);
        pair.Client.ShutdownSend();
        await echo.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_file_that_is_no_socket_is_in_use_and_untouched(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        await File.WriteAllTextAsync(path.Path, "precious");
        await using var transport = new TestTransport(scheduling);

        await Assert.ThrowsAsync<AddressInUseException>(
            () => transport.BindAsync(new UnixDomainSocketEndPoint(path.Path)));

        Assert.Equal("precious", await File.ReadAllTextAsync(path.Path));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_live_socket_is_in_use_and_goes_on(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));

        await Assert.ThrowsAsync<AddressInUseException>(
            () => transport.BindAsync(new UnixDomainSocketEndPoint(path.Path)));

        Assert.True(File.Exists(path.Path));
        using var client = await RawClient.ConnectAsync(listener.EndPoint);
    }

    // It refuses connections as well, for the moment.
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_socket_whose_backlog_is_full_is_in_use(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        var fd = Libc.BindUnix(path.Path);
        Assert.Equal(0, Libc.listen(fd, 0));
        var waiting = new List<Socket>();
        do
        {
            waiting.Add(
                new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false });
        }
        while (Record.Exception(() => waiting[^1].Connect(new UnixDomainSocketEndPoint(path.Path))) is null);
        await using var transport = new TestTransport(scheduling);

        await Assert.ThrowsAsync<AddressInUseException>(
            () => transport.BindAsync(new UnixDomainSocketEndPoint(path.Path)));

        Assert.True(File.Exists(path.Path));
        waiting.ForEach(static socket => socket.Dispose());
        Assert.Equal(0, Libc.close(fd));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [FailsOnStock("Stock leaves the removal to the user.")]
    public async Task A_stale_socket_is_replaced(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        var fd = Libc.BindUnix(path.Path);
        Assert.Equal(0, Libc.listen(fd, 1));
        Assert.Equal(0, Libc.close(fd));
        Assert.True(File.Exists(path.Path));

        // A process that another test starts at this moment has a copy of the descriptor until it runs its program.
        await Poll.UntilAsync(
            () => !File.ReadAllText("/proc/net/unix").Contains(path.Path, StringComparison.Ordinal));
        await using var transport = new TestTransport(scheduling);

        var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));

        await using var pair = await transport.ConnectAsync(listener);
        await listener.UnbindAsync().DefaultTimeout();
        Assert.False(File.Exists(path.Path));
    }

    // Not "in use" for any transport: the directory is missing.
    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "5")]
    public async Task A_missing_directory_is_a_SocketException(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        await using var transport = new TestTransport(scheduling);

        await Assert.ThrowsAnyAsync<SocketException>(
            () => transport.BindAsync(new UnixDomainSocketEndPoint(path.Path + "/missing/s")));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task An_abstract_name_is_served_and_no_file_is_touched(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        await File.WriteAllTextAsync(path.Path, "precious");
        var endPoint = new UnixDomainSocketEndPoint("\0" + path.Path);
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync(endPoint);
        await using (var pair = await transport.ConnectAsync(listener))
        {
            var echo = Echo.RunAsync(pair.Connection);
            await Echo.RoundTripAsync(pair.Client);
            pair.Client.ShutdownSend();
            await echo.DefaultTimeout();
        }

        await Assert.ThrowsAsync<AddressInUseException>(() => transport.BindAsync(endPoint));
        Assert.Equal("@" + path.Path, listener.EndPoint.ToString());
        await listener.UnbindAsync().DefaultTimeout();
        await listener.DisposeAsync().DefaultTimeout();

        Assert.Equal("precious", await File.ReadAllTextAsync(path.Path));
        var again = await transport.BindAsync(endPoint);
        await again.DisposeAsync().DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "12")]
    public async Task NoDelay_is_not_attempted_on_a_Unix_socket(ApplicationScheduling scheduling)
    {
        using var path = new SocketPath();
        await using var transport = new TestTransport(scheduling, static options => options.NoDelay = true);
        var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));

        await using var pair = await transport.ConnectAsync(listener);

        var echo = Echo.RunAsync(pair.Connection);
        await Echo.RoundTripAsync(pair.Client);
        pair.Client.ShutdownSend();
        await echo.DefaultTimeout();
    }
}
