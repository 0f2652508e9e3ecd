using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>A connection that the transport has opened keeps what the contract says of accepted ones.</summary>
[FailsOnStock("Stock's client is internal.")]
public sealed class DialedConnectionTests
{
    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "14")]
    public async Task The_features_are_there_from_the_start(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var (connection, client) = await transport.DialAsync();

        Assert.NotNull(connection.Features.Get<IConnectionIdFeature>());
        Assert.NotNull(connection.Features.Get<IConnectionTransportFeature>());
        Assert.NotNull(connection.Features.Get<IConnectionItemsFeature>());
        Assert.NotNull(connection.Features.Get<IMemoryPoolFeature>());
        Assert.NotNull(connection.Features.Get<IConnectionLifetimeFeature>());
        Assert.NotNull(connection.Features.Get<IConnectionEndPointFeature>());
        Assert.Equal(client.Socket.RemoteEndPoint, connection.LocalEndPoint);
        Assert.Equal(client.Socket.LocalEndPoint, connection.RemoteEndPoint);
        var socket = connection.Features.Get<IConnectionSocketFeature>()!.Socket;
        Assert.Equal(1, (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.NoDelay)!);
        Assert.Equal(13, connection.ConnectionId.Length);
    }

    // The peer may have sent before the loop passes the socket's events to the connection.
    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "20")]
    public async Task What_the_peer_sent_at_once_is_read_and_its_end_is_announced(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var (connection, client) = await transport.DialAsync();
        await client.SendAsync(Pattern.Create(1000));
        client.ShutdownSend();
        var closed = Signal.New();
        connection.ConnectionClosed.Register(closed.SetResult);

        var result = await connection.Transport.Input.ReadAtLeastAsync(1001).DefaultTimeout();

        Assert.Equal(1000, result.Buffer.Length);
        Assert.True(result.IsCompleted);
        connection.Transport.Input.AdvanceTo(result.Buffer.End);
        await closed.Task.DefaultTimeout();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "18")]
    [Trait("Contract", "19")]
    public async Task A_reset_fails_the_read_and_completes_the_flush(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var (connection, client) = await transport.DialAsync();
        var read = connection.Transport.Input.ReadAsync().AsTask();

        client.Reset();

        await Assert.ThrowsAsync<ConnectionResetException>(() => read.DefaultTimeout());
        var flush = await connection.Transport.Output.WriteAsync(Pattern.Create(10)).DefaultTimeout();
        Assert.True(flush.IsCompleted);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "18")]
    [Trait("Contract", "19")]
    public async Task Our_own_end_fails_the_read_and_completes_the_flush(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var (closed, _) = await transport.DialAsync();
        var (aborted, _) = await transport.DialAsync();
        var read = closed.Transport.Input.ReadAsync().AsTask();

        await closed.Transport.Output.CompleteAsync();
        aborted.Abort(null!);

        await Assert.ThrowsAsync<ConnectionAbortedException>(() => read.DefaultTimeout());
        var flush = await aborted.Transport.Output.WriteAsync(Pattern.Create(10)).DefaultTimeout();
        Assert.True(flush.IsCompleted);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "20")]
    [Trait("Contract", "23")]
    public async Task A_reset_is_announced_and_ends_the_connection_though_nothing_reads(
        ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var (connection, client) = await transport.DialAsync();
        var closed = Signal.New();
        connection.ConnectionClosed.Register(closed.SetResult);
        await client.SendAsync(Pattern.Create(1000));

        client.Reset();

        await closed.Task.DefaultTimeout();
        var monitor = transport.Services.GetRequiredService<EventLoopTransportMonitor>();
        await Poll.UntilAsync(() => monitor.ConnectionCount == 0);
        var result = await connection.Transport.Input.ReadAtLeastAsync(1000).DefaultTimeout();
        Assert.Equal(1000, result.Buffer.Length);
        connection.Transport.Input.AdvanceTo(result.Buffer.End);
        await Assert.ThrowsAsync<ConnectionResetException>(
            () => connection.Transport.Input.ReadAsync().DefaultTimeout());
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "21")]
    public async Task An_abort_with_a_reason_resets(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var (connection, client) = await transport.DialAsync();
        var read = connection.Transport.Input.ReadAsync().AsTask();
        var reason = new ConnectionAbortedException("Enough.");

        connection.Abort(reason);

        Assert.Same(reason, await Assert.ThrowsAsync<ConnectionAbortedException>(() => read.DefaultTimeout()));
        await client.ExpectResetAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "21")]
    public async Task An_abort_without_a_reason_finishes(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var (connection, client) = await transport.DialAsync();

        connection.Abort(null!);

        await client.ExpectFinAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "22")]
    [Trait("Contract", "23")]
    public async Task A_close_sends_everything_first(ApplicationScheduling scheduling)
    {
        const int Length = 3_000_000;
        await using var transport = new TestTransport(scheduling);
        var (connection, client) = await transport.DialAsync();
        var receive = client.ReceiveToEndAsync();

        await connection.Transport.Output.WriteAsync(Pattern.Create(Length)).DefaultTimeout();
        await connection.DisposeAsync().DefaultTimeout();

        var received = await receive.DefaultTimeout();
        Assert.Equal(Length, received.Length);
        Pattern.AssertMatches(received);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "25")]
    public async Task Unflushed_bytes_are_counted(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var (connection, _) = await transport.DialAsync();
        var output = connection.Transport.Output;

        output.Advance(output.GetMemory(10).Length >= 10 ? 10 : 0);

        Assert.True(output.CanGetUnflushedBytes);
        Assert.Equal(10, output.UnflushedBytes);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "client")]
    public async Task An_enrolled_socket_is_a_connection(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        var listener = await transport.BindAsync();
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(listener.EndPoint);
        await using var accepted = await listener.AcceptAsync().DefaultTimeout();
        using var kept = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        kept.Connect(listener.EndPoint);
        await using var second = await listener.AcceptAsync().DefaultTimeout();

        await using var enrolled = transport.Client.Enroll(socket);
        await using var handle = await transport.Client.ConnectAsync(
            new FileHandleEndPoint((ulong)kept.Handle, FileHandleType.Auto));

        Assert.True(socket.SafeHandle.IsClosed);
        Assert.False(kept.SafeHandle.IsClosed);
        Assert.Equal(listener.EndPoint, enrolled.RemoteEndPoint);
        foreach (var (from, to) in new[] { (enrolled, accepted), (handle, second) })
        {
            await from.Transport.Output.WriteAsync(Pattern.Create(100)).DefaultTimeout();
            var received = await to!.Transport.Input.ReadAtLeastAsync(100).DefaultTimeout();
            to.Transport.Input.AdvanceTo(received.Buffer.End);
        }
    }

    // The descriptor that the caller keeps would keep the socket polled and open.
    [Theory]
    [ClassData<EveryScheduling>]
    [Trait("Contract", "client")]
    public async Task An_enrolled_handle_finishes_when_it_is_disposed(ApplicationScheduling scheduling)
    {
        await using var transport = new TestTransport(scheduling);
        using var listener = PlainListener.Start();
        using var kept = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        kept.Connect(listener.LocalEndPoint!);
        using var peer = new RawClient(await listener.AcceptAsync().DefaultTimeout());
        var endPoint = new FileHandleEndPoint((ulong)kept.Handle, FileHandleType.Auto);
        var first = await transport.Client.ConnectAsync(endPoint);
        var second = await transport.Client.ConnectAsync(endPoint);
        await first.Transport.Output.WriteAsync(Pattern.Create(100)).DefaultTimeout();
        Assert.Equal(Pattern.Create(100), await peer.ReceiveExactlyAsync(100));

        await first.DisposeAsync().DefaultTimeout();

        await peer.ExpectFinAsync();
        Assert.False(kept.SafeHandle.IsClosed);
        Assert.True((await second.Transport.Input.ReadAsync().DefaultTimeout()).IsCompleted);
        await second.DisposeAsync().DefaultTimeout();
    }

    [Fact]
    [Trait("Contract", "client")]
    public async Task What_is_no_connected_stream_socket_is_not_enrolled()
    {
        await using var transport = new TestTransport(ApplicationScheduling.Adaptive);
        using var unconnected = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using var datagrams = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);

        var failure = Assert.Throws<SocketException>(() => transport.Client.Enroll(unconnected));
        Assert.Equal(SocketError.NotConnected, failure.SocketErrorCode);
        Assert.Throws<NotSupportedException>(() => transport.Client.Enroll(datagrams));
        unconnected.Dispose();
        Assert.Throws<ObjectDisposedException>(() => transport.Client.Enroll(unconnected));
    }
}
