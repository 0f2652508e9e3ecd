using KestrelEventLoopTransport.Datagrams;

namespace KestrelEventLoopTransport;

/// <summary>Sends datagrams from an endpoint's socket. All members are thread-safe.</summary>
/// <remarks>
/// <para>
/// Inside <see cref="DatagramHandler.OnDatagrams"/>, on its thread, datagrams are collected and go to the kernel
/// together. On any other thread each goes to the kernel at once, on the calling thread.
/// </para>
/// <para>
/// If the socket is full, datagrams wait in a queue of at most
/// <see cref="DatagramEndpointOptions.MaxSendQueueSize"/> bytes. Beyond that, <c>Send</c> drops, and <c>SendAsync</c>
/// waits. Datagrams of one thread keep their order, except after a call of the handler that has blocked.
/// </para>
/// </remarks>
public sealed class DatagramSender
{
    private readonly DatagramOutput _output;

    internal DatagramSender(DatagramOutput output) => _output = output;

    /// <summary>Answers a datagram: sends to its sender, from the address that it came to.</summary>
    /// <param name="payload">The bytes. They may be overwritten when the method returns.</param>
    /// <param name="datagram">The datagram to answer, which is still valid.</param>
    /// <returns>What has become of the answer.</returns>
    /// <exception cref="InvalidOperationException"><paramref name="datagram"/> is not valid any more.</exception>
    public DatagramSendResult Reply(ReadOnlySpan<byte> payload, in Datagram datagram)
        => _output.Send(payload, datagram.RemoteAddress, datagram.ReplySource);

    /// <summary>Sends a datagram.</summary>
    /// <param name="payload">
    /// The bytes, from 0 to 65,507 (IPv4) or 65,527 (IPv6). They may be overwritten when the method returns.
    /// </param>
    /// <param name="destination">Where to. A connected endpoint ignores it.</param>
    /// <param name="source">
    /// The local address to send from, such as <see cref="Datagram.LocalAddress"/>. Default: the kernel chooses. Linux
    /// only.
    /// </param>
    /// <returns>What has become of the datagram.</returns>
    public DatagramSendResult Send(
        ReadOnlySpan<byte> payload, DatagramAddress destination = default, DatagramAddress source = default)
        => _output.Send(payload, in destination, in source);

    /// <summary>Sends a datagram. If the socket and the queue are full, waits until half the queue is free.</summary>
    /// <param name="payload">The bytes. They may be overwritten when the returned task is completed.</param>
    /// <param name="destination">Where to. A connected endpoint ignores it.</param>
    /// <param name="source">The local address to send from. Default: the kernel chooses. Linux only.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>What has become of the datagram. It is not dropped for want of room.</returns>
    /// <exception cref="OperationCanceledException">The token fired; the datagram was not sent.</exception>
    public ValueTask<DatagramSendResult> SendAsync(
        ReadOnlyMemory<byte> payload,
        DatagramAddress destination = default,
        DatagramAddress source = default,
        CancellationToken cancellationToken = default)
        => _output.SendAsync(payload, destination, source, cancellationToken);
}
