using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using KestrelEventLoopTransport.Datagrams;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Options.Validation;

namespace KestrelEventLoopTransport;

/// <summary>
/// A UDP socket with one peer, served by an event loop. <see cref="EventLoopConnectionFactory"/> opens it. The caller
/// owns it and has to dispose of it. All members are thread-safe.
/// </summary>
/// <remarks>
/// For code that asks and waits for the answer. Each datagram that is received is copied into an object. For many
/// datagrams without a copy use a <see cref="DatagramHandler"/>, with
/// <see cref="DatagramEndpointOptions.RemoteEndPoint"/>.
/// </remarks>
public sealed class DatagramClient : IAsyncDisposable, IDisposable
{
    private const int Capacity = 1024;

    private readonly Channel<Item> _items = Channel.CreateBounded<Item>(
        new BoundedChannelOptions(Capacity) { FullMode = BoundedChannelFullMode.Wait });
    private readonly Lock _stop = new();
    private readonly DatagramEndpoint _endpoint;
    private readonly DatagramMetrics _metrics;
    private readonly TimeProvider _time;
    private Task? _stopped;
    private long _dropped;
    private int _hasError;

    private DatagramClient(
        IPEndPoint remote, DatagramEndpointOptions options, DatagramMetrics metrics, EventLoopGroup group)
    {
        _metrics = metrics;
        options.RemoteEndPoint = remote;
        var any = remote.AddressFamily == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any;
        RemoteEndPoint = remote;
        _endpoint = DatagramEndpoint.Bind(new IPEndPoint(any, 0), options, new Handler(this), group);
        _time = new LoopFeature(_endpoint.Loop);
    }

    /// <summary>The peer. Datagrams of others are not received.</summary>
    public IPEndPoint RemoteEndPoint { get; }

    /// <summary>The local address, which the kernel has chosen by the route to the peer.</summary>
    public IPEndPoint LocalEndPoint => (IPEndPoint)_endpoint.EndPoint;

    /// <summary>
    /// Number of datagrams that were dropped because 1,024 waited to be received by the application.
    /// </summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Sends a datagram to the peer.</summary>
    /// <param name="payload">
    /// The bytes, from 0 to 65,507 (IPv4) or 65,527 (IPv6). They may be overwritten when the method returns.
    /// </param>
    /// <returns>What has become of the datagram.</returns>
    public DatagramSendResult Send(ReadOnlySpan<byte> payload) => _endpoint.Sender.Send(payload);

    /// <summary>
    /// Sends a datagram to the peer. If the socket and its queue are full, waits until half the queue is free.
    /// </summary>
    /// <param name="payload">The bytes. They may be overwritten when the returned task is completed.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>What has become of the datagram. It is not dropped for want of room.</returns>
    /// <exception cref="OperationCanceledException">The token fired; the datagram was not sent.</exception>
    public ValueTask<DatagramSendResult> SendAsync(
        ReadOnlyMemory<byte> payload, CancellationToken cancellationToken = default)
        => _endpoint.Sender.SendAsync(payload, cancellationToken: cancellationToken);

    /// <summary>Receives a datagram.</summary>
    /// <param name="cancellationToken">Ends the wait. Nothing is lost: the next call receives what comes.</param>
    /// <returns>The datagram.</returns>
    /// <exception cref="SocketException">
    /// What a datagram that was sent has met, such as <see cref="SocketError.ConnectionRefused"/>: the answer of the
    /// peer's system that nothing receives there. Thrown once; the client goes on. Errors that come while one waits to
    /// be thrown are dropped.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token fired.</exception>
    /// <exception cref="ObjectDisposedException">The client is disposed.</exception>
    public async ValueTask<ReceivedDatagram> ReceiveAsync(CancellationToken cancellationToken = default)
    {
        Item item;
        try
        {
            item = await _items.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelClosedException)
        {
            throw new ObjectDisposedException(nameof(DatagramClient));
        }

        return Open(item);
    }

    /// <summary>Receives a datagram, and waits no longer than a time, which a timer of the loop measures.</summary>
    /// <param name="timeout">
    /// The longest wait: up to 49 days, or <see cref="Timeout.InfiniteTimeSpan"/>. It does not end early. With zero
    /// only what has come already is received.
    /// </param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The datagram.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="timeout"/> is out of range.</exception>
    /// <exception cref="TimeoutException">No datagram came in this time. The client goes on.</exception>
    /// <exception cref="SocketException">The same as of <see cref="ReceiveAsync"/>.</exception>
    /// <exception cref="OperationCanceledException">The token fired.</exception>
    /// <exception cref="ObjectDisposedException">The client is disposed.</exception>
    public async ValueTask<ReceivedDatagram> ReceiveWithinAsync(
        TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        if (!cancellationToken.IsCancellationRequested && _items.Reader.TryRead(out var item))
        {
            return Open(item);
        }

        using var elapsed = new CancellationTokenSource(timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(elapsed.Token, cancellationToken);
        try
        {
            return await ReceiveAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (OperationCanceledException) when (_items.Reader.Completion.IsCompleted)
        {
            // The wait looks at its token first, which has fired already with zero.
            throw new ObjectDisposedException(nameof(DatagramClient));
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"No datagram came from {RemoteEndPoint} in {timeout}.");
        }
    }

    /// <summary>Closes the socket. What waits to be sent is dropped.</summary>
    public void Dispose() => _ = StopAsync();

    /// <summary>Closes the socket, and completes when it is closed.</summary>
    /// <returns>A task.</returns>
    public ValueTask DisposeAsync() => new(StopAsync());

    /// <summary>Connects a socket (<c>connect(2)</c>): nothing is sent.</summary>
    /// <param name="remote">The peer.</param>
    /// <param name="configure">Sets the options.</param>
    /// <param name="metrics">Shows what the client counts.</param>
    /// <param name="acquire">Returns the loops, with a reference that the client gives back.</param>
    internal static DatagramClient Connect(
        IPEndPoint remote,
        Action<DatagramEndpointOptions>? configure,
        DatagramMetrics metrics,
        Func<EventLoopGroup> acquire)
    {
        var options = new DatagramEndpointOptions();
        configure?.Invoke(options);
        DatagramEndpointOptionsValidator.Check($"the client of {remote}", remote, options);
        if (options.SocketPerLoop)
        {
            throw new NotSupportedException($"A client has one socket: {nameof(options.SocketPerLoop)} cannot be set.");
        }

        var group = acquire();
        DatagramClient client;
        try
        {
            client = new DatagramClient(remote, options, metrics, group);
        }
        catch
        {
            group.Release();
            throw;
        }

        try
        {
            client._endpoint.Start();
            metrics.Add(client._endpoint);
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>The same, with the first address of a name that can be connected to.</summary>
    internal static DatagramClient Connect(
        IPAddress[] addresses,
        DnsEndPoint name,
        Action<DatagramEndpointOptions>? configure,
        DatagramMetrics metrics,
        Func<EventLoopGroup> acquire)
    {
        SocketException? first = null;
        foreach (var address in addresses)
        {
            try
            {
                return Connect(new IPEndPoint(address, name.Port), configure, metrics, acquire);
            }
            catch (SocketException exception)
            {
                first ??= exception;
            }
        }

        throw first ?? new SocketException((int)SocketError.HostNotFound);
    }

    private Task StopAsync()
    {
        _items.Writer.TryComplete();
        lock (_stop)
        {
            return _stopped ??= StopOnceAsync();
        }
    }

    private async Task StopOnceAsync()
    {
        await _endpoint.StopAsync().ConfigureAwait(false);
        _metrics.Remove(_endpoint);
    }

    private ReceivedDatagram Open(Item item)
    {
        if (item.Datagram is { } datagram)
        {
            return datagram;
        }

        Volatile.Write(ref _hasError, 0);
        throw new SocketException((int)item.Error);
    }

    private void Add(in Datagram datagram)
    {
        if (!_items.Writer.TryWrite(new Item(new ReceivedDatagram(datagram))))
        {
            Interlocked.Increment(ref _dropped);
        }
    }

    private void Add(SocketError error)
    {
        // As the kernel does, which keeps one error for a socket.
        if (Interlocked.Exchange(ref _hasError, 1) == 0 && !_items.Writer.TryWrite(new Item(null, error)))
        {
            Volatile.Write(ref _hasError, 0);
        }
    }

    /// <summary>A datagram or an error.</summary>
    private readonly record struct Item(ReceivedDatagram? Datagram, SocketError Error = SocketError.Success);

    private sealed class Handler(DatagramClient client) : DatagramHandler
    {
        public override void OnDatagrams(ReadOnlySpan<Datagram> datagrams, DatagramSender sender)
        {
            foreach (ref readonly var datagram in datagrams)
            {
                client.Add(datagram);
            }
        }

        public override void OnError(SocketError socketError, DatagramAddress remoteAddress)
            => client.Add(socketError);
    }
}
