using System.Threading.Channels;

namespace KestrelEventLoopTransport;

/// <summary>
/// Receives and sends datagrams in asynchronous code. Each datagram is copied into an object, so this is for code that
/// is not hot: <see cref="DatagramHandler"/> receives without a copy and without an allocation.
/// </summary>
public sealed class DatagramReceiver
{
    private const int Capacity = 1024;

    private readonly Channel<ReceivedDatagram> _datagrams = Channel.CreateBounded<ReceivedDatagram>(
        new BoundedChannelOptions(Capacity) { FullMode = BoundedChannelFullMode.Wait });
    private long _dropped;

    internal DatagramReceiver(DatagramEndpoint endpoint) => Endpoint = endpoint;

    /// <summary>The endpoint, with its <see cref="DatagramEndpoint.Sender"/>.</summary>
    public DatagramEndpoint Endpoint { get; }

    /// <summary>
    /// Number of datagrams that were dropped because 1,024 waited to be received by the application.
    /// </summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Receives a datagram.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The datagram.</returns>
    /// <exception cref="OperationCanceledException">The token fired.</exception>
    /// <exception cref="ChannelClosedException">The endpoint has stopped.</exception>
    public ValueTask<ReceivedDatagram> ReceiveAsync(CancellationToken cancellationToken = default)
        => _datagrams.Reader.ReadAsync(cancellationToken);

    /// <summary>Receives datagrams until the endpoint stops.</summary>
    /// <param name="cancellationToken">Ends the wait with an exception.</param>
    /// <returns>The datagrams.</returns>
    public IAsyncEnumerable<ReceivedDatagram> ReceiveAllAsync(CancellationToken cancellationToken = default)
        => _datagrams.Reader.ReadAllAsync(cancellationToken);

    /// <summary>
    /// Answers a datagram: sends to its sender, from the address that it came to. If the socket and its queue are full,
    /// waits until there is room.
    /// </summary>
    /// <param name="payload">The bytes. They may be overwritten when the returned task is completed.</param>
    /// <param name="datagram">The datagram to answer.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>What has become of the answer.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="datagram"/> is <see langword="null"/>.</exception>
    /// <exception cref="OperationCanceledException">The token fired; the answer was not sent.</exception>
    public ValueTask<DatagramSendResult> ReplyAsync(
        ReadOnlyMemory<byte> payload, ReceivedDatagram datagram, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(datagram);
        return Endpoint.Sender.SendAsync(payload, datagram.RemoteAddress, datagram.ReplySource, cancellationToken);
    }

    internal void Add(in Datagram datagram)
    {
        if (!_datagrams.Writer.TryWrite(new ReceivedDatagram(datagram)))
        {
            Interlocked.Increment(ref _dropped);
        }
    }

    internal void Complete() => _datagrams.Writer.TryComplete();
}
