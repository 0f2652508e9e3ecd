using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Tests.Metrics;

/// <summary>Each instrument of a listener is driven to a known value and read.</summary>
[FailsOnStock("Metrics of ours.")]
public sealed class ListenerMetricsTests
{
    private const string Listener = "event_loop.listener.";

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Connections_are_counted_when_they_come_and_when_they_go(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        using var instruments = new LoopInstruments(transport.Services);
        var first = await transport.ConnectAsync();
        await using var second = await transport.ConnectAsync();

        Assert.Equal(2, instruments.Read(Listener + "accepted_connections"));
        Assert.Equal(2, instruments.Read(Listener + "connections"));

        await first.DisposeAsync();

        await Poll.UntilAsync(() => instruments.Read(Listener + "connections") == 1);
        Assert.Equal(2, instruments.Read(Listener + "accepted_connections"));
        Assert.Equal(0, instruments.Read(Listener + "refused_connections"));
        Assert.Equal(0, instruments.Read(Listener + "failed_accepts"));
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Bytes_are_counted_while_a_connection_is_open_and_stay(ApplicationScheduling scheduling)
    {
        const int Large = 300_000;
        await using var transport = new TestTransport(scheduling);
        using var instruments = new LoopInstruments(transport.Services);
        await using var pair = await transport.ConnectAsync();
        await using var other = await transport.ConnectAsync();
        await Echo.RoundTripAsync(pair.Client, pair.Connection);

        await UntilBytesAsync(100, 100);

        await pair.Output.WriteAsync(new byte[Large]);
        await pair.Client.ReceiveExactlyAsync(Large);
        await UntilBytesAsync(100, 100 + Large);

        await pair.DisposeAsync();
        await UntilBytesAsync(100, 100 + Large);

        await Echo.RoundTripAsync(other.Client, other.Connection);
        await UntilBytesAsync(200, 200 + Large);

        // A send is counted when its system call has returned; the client may have the bytes before.
        Task UntilBytesAsync(long received, long sent) => Poll.UntilAsync(
            () => instruments.Read(Listener + "io/receive") == received
                && instruments.Read(Listener + "io/transmit") == sent,
            () => $"{instruments.Read(Listener + "io/receive")} {instruments.Read(Listener + "io/transmit")}");
    }

    [Fact]
    public async Task Bytes_that_are_dropped_are_not_sent()
    {
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive, static options => options.MaxWriteBufferSize = null);
        using var instruments = new LoopInstruments(transport.Services);
        var pair = await transport.ConnectAsync();
        pair.Output.Write(new byte[50_000_000]);
        var flush = pair.Output.FlushAsync();
        var sent = instruments.Read(Listener + "io/transmit");

        pair.Connection.Abort();
        await pair.DisposeAsync();

        Assert.InRange(instruments.Read(Listener + "io/transmit"), sent, 49_000_000);
        await Poll.UntilAsync(() => flush.IsCompleted);
    }

    [Theory]
    [InlineData("completed")]
    [InlineData("peer_finished")]
    [InlineData("reset")]
    [InlineData("aborted")]
    [InlineData("timed_out")]
    public async Task A_closed_connection_is_counted_under_what_has_ended_it(string reason)
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive, options =>
            options.EndpointDefaults.IdleTimeout
                = reason == "timed_out" ? TimeSpan.FromMilliseconds(30) : null);
        using var instruments = new LoopInstruments(transport.Services);
        await using var pair = await transport.ConnectAsync();
        switch (reason)
        {
            case "completed":
                await pair.Output.CompleteAsync();
                break;
            case "peer_finished":
                pair.Client.ShutdownSend();
                Assert.True((await pair.Input.ReadAsync().DefaultTimeout()).IsCompleted);
                await pair.Output.CompleteAsync();
                break;
            case "reset":
                pair.Client.Reset();
                await Assert.ThrowsAsync<ConnectionResetException>(() => pair.Input.ReadAsync().DefaultTimeout());
                break;
            case "aborted":
                pair.Connection.Abort(new ConnectionAbortedException("The test aborts it."));
                break;
        }

        await Poll.UntilAsync(() => instruments.Read(Listener + $"closed_connections/{reason}") == 1);

        foreach (var other in new[] { "completed", "peer_finished", "aborted", "reset", "timed_out", "failed" })
        {
            Assert.Equal(other == reason ? 1 : 0, instruments.Read(Listener + $"closed_connections/{other}"));
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Kestrels_connections_that_a_client_ends_are_peer_finished(ApplicationScheduling scheduling)
    {
        await using var server = await TestServer.StartAsync(scheduling, Echo.RunAsync);
        using var instruments = new LoopInstruments(server.Services);
        using var client = await server.ConnectAsync();
        await Echo.RoundTripAsync(client);

        client.ShutdownSend();
        await client.ExpectFinAsync();

        await Poll.UntilAsync(() => instruments.Read(Listener + "closed_connections/peer_finished") == 1);
    }

    [Fact]
    public async Task Connections_beyond_the_limit_are_refused()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive, static options =>
        {
            options.EndpointDefaults.MaxConnections = 1;
            options.EndpointDefaults.MaxConnectionsPolicy = MaxConnectionsPolicy.Refuse;
        });
        using var instruments = new LoopInstruments(transport.Services);
        var listener = await transport.BindAsync();
        await using var pair = await transport.ConnectAsync(listener);

        // The reset may come so soon that the connect sees it.
        using var other = RawClient.Create(listener.EndPoint);
        _ = other.Socket.ConnectAsync(listener.EndPoint);

        await Poll.UntilAsync(() => instruments.Read(Listener + "refused_connections") == 1);
        Assert.Equal(1, instruments.Read(Listener + "accepted_connections"));
        Assert.Equal(0, instruments.Read(Listener + "pauses/limit"));
    }

    [Fact]
    public async Task The_kernels_queue_is_seen_while_accepting_pauses()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Linux reports the queue.");
        const int Waiting = 3;
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive, static options =>
        {
            options.EndpointDefaults.Backlog = 7;
            options.EndpointDefaults.MaxConnections = 1;
        });
        using var instruments = new LoopInstruments(transport.Services);
        var listener = await transport.BindAsync();
        await using var pair = await transport.ConnectAsync(listener);
        var clients = await Task.WhenAll(
            Enumerable.Range(0, Waiting).Select(_ => RawClient.ConnectAsync(listener.EndPoint)));

        await Poll.UntilAsync(() => instruments.Read(Listener + "pauses/limit") == 1);
        Assert.Equal(Waiting, instruments.Read(Listener + "queue.connections"));
        Assert.Equal(7, instruments.Read(Listener + "queue.limit"));
        Assert.Equal(0, instruments.Read(Listener + "dropped_handshakes"));

        Array.ForEach(clients, static client => client.Dispose());
    }

    [Fact]
    public async Task Accepting_pauses_while_the_application_does_not_take_connections()
    {
        await using var transport = new TestTransport(
            ApplicationScheduling.Adaptive, static options => options.EndpointDefaults.AcceptBatchSize = 1);
        using var instruments = new LoopInstruments(transport.Services);
        var listener = await transport.BindAsync();
        using var first = await RawClient.ConnectAsync(listener.EndPoint);
        using var second = await RawClient.ConnectAsync(listener.EndPoint);

        await Poll.UntilAsync(() => instruments.Read(Listener + "pauses/untaken") == 1);
        Assert.Equal(1, instruments.Read(Listener + "accepted_connections"));

        await using var taken = await listener.AcceptAsync().DefaultTimeout();

        await Poll.UntilAsync(() => instruments.Read(Listener + "pauses/untaken") == 2);
        Assert.Equal(2, instruments.Read(Listener + "accepted_connections"));
        Assert.Equal(0, instruments.Read(Listener + "pauses/limit"));
        Assert.Equal(0, instruments.Read(Listener + "pauses/shortage"));
    }

    [Fact]
    public async Task Handshakes_that_find_the_queue_full_are_counted_also_after_the_end()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Linux reports the drops.");
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive, static options =>
        {
            options.EndpointDefaults.Backlog = 1;
            options.EndpointDefaults.MaxConnections = 1;
        });
        using var instruments = new LoopInstruments(transport.Services);
        var listener = await transport.BindAsync();
        await using var pair = await transport.ConnectAsync(listener);

        // They wait in vain, and try again now and then.
        var clients = Enumerable.Range(0, 6).Select(_ => RawClient.Create(listener.EndPoint)).ToArray();
        var connects = clients.Select(client => client.Socket.ConnectAsync(listener.EndPoint)).ToArray();
        await Poll.UntilAsync(() => instruments.Read(Listener + "dropped_handshakes") > 0);
        Array.ForEach(clients, static client => client.Dispose());
        var dropped = instruments.Read(Listener + "dropped_handshakes");

        await listener.DisposeAsync().DefaultTimeout();

        Assert.InRange(instruments.Read(Listener + "dropped_handshakes"), dropped, long.MaxValue);
        Assert.Null(instruments.TryRead(Listener + "queue.limit"));
        Assert.All(connects, static connect => _ = connect.Exception);
    }

    [Fact]
    public async Task A_Unix_socket_has_counts_and_no_queue()
    {
        using var path = new SocketPath();
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        using var instruments = new LoopInstruments(transport.Services);
        var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(path.Path));
        await using var pair = await transport.ConnectAsync(listener);

        Assert.Equal(1, instruments.Read(Listener + "accepted_connections"));
        Assert.Null(instruments.TryRead(Listener + "queue.connections"));
    }

    [Fact]
    public async Task A_listener_that_is_bound_again_goes_on_with_its_counts()
    {
        var endPoint = new IPEndPoint(IPAddress.Loopback, FreePort.Next());
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        using var instruments = new LoopInstruments(transport.Services);
        for (var round = 1; round <= 3; round++)
        {
            var listener = await transport.BindAsync(endPoint);
            var pair = await transport.ConnectAsync(listener);
            await Echo.RoundTripAsync(pair.Client, pair.Connection);

            Assert.Equal(round, instruments.Read(Listener + "accepted_connections"));
            Assert.Equal(100 * round, instruments.Read(Listener + "io/receive"));
            Assert.Equal(1, instruments.Read(Listener + "connections"));

            await listener.UnbindAsync().DefaultTimeout();
            Assert.Equal(1, instruments.Read(Listener + "connections"));
            await pair.DisposeAsync();
            await listener.DisposeAsync().DefaultTimeout();

            Assert.Equal(0, instruments.Read(Listener + "connections"));
            Assert.Equal(100 * round, instruments.Read(Listener + "io/receive"));
        }
    }

    [Theory]
    [InlineData("127.0.0.1", "ipv4")]
    [InlineData("::1", "ipv6")]
    public async Task Tags_name_the_address_of_the_listener_and_none_of_a_peer(string address, string type)
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        using var tags = new TagReader(transport.Services);
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Parse(address), 0));
        await using var pair = await transport.ConnectAsync(listener);
        var port = ((IPEndPoint)listener.EndPoint).Port;

        var all = tags.Read(Listener);

        Assert.NotEmpty(all);
        Assert.All(all, text => Assert.StartsWith(
            $"server.address={address} server.port={port} network.transport=tcp network.type={type}", text));
        var peer = ((IPEndPoint)pair.Client.Socket.LocalEndPoint!).Port;
        Assert.DoesNotContain(all, text => text.Contains($"{peer}", StringComparison.Ordinal) && peer != port);
    }
}
