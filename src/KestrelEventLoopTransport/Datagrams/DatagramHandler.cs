using System.Net.Sockets;

namespace KestrelEventLoopTransport;

/// <summary>
/// The application code of a datagram endpoint. <c>AddDatagramEndpoint</c> creates one handler for each endpoint, with
/// dependency injection, and disposes it if it is disposable.
/// </summary>
/// <remarks>
/// <para>
/// <see cref="ApplicationScheduling"/> says which thread calls the handler, as for connections. With
/// <see cref="ApplicationScheduling.Adaptive"/> it is the loop's thread. If the handler blocks, other connections and
/// endpoints of the loop are served by another thread, and this endpoint's datagrams wait in the kernel.
/// </para>
/// <para>
/// One call at a time is made for each socket, in the order in which datagrams arrive. An endpoint has one socket
/// unless <see cref="DatagramEndpointOptions.SocketPerLoop"/> is set; then several threads may be in the handler.
/// </para>
/// <para>An exception is logged and ends nothing.</para>
/// </remarks>
public abstract class DatagramHandler
{
    /// <summary>Creates a handler.</summary>
    protected DatagramHandler()
    {
    }

    /// <summary>
    /// Called when the endpoint is bound, before it receives. An exception stops the start of the application.
    /// </summary>
    /// <param name="endpoint">The endpoint. It can be kept, and used by any thread.</param>
    public virtual void OnStarted(DatagramEndpoint endpoint)
    {
    }

    /// <summary>
    /// Called with the datagrams that have arrived: at least one, at most 32, or 1,024 with
    /// <see cref="DatagramEndpointOptions.ReceiveOffload"/>.
    /// </summary>
    /// <param name="datagrams">The datagrams. They are valid until the method returns.</param>
    /// <param name="sender">
    /// Sends through the socket that received them. What is sent during the call goes to the kernel together, when the
    /// call returns, or after about a millisecond.
    /// </param>
    public abstract void OnDatagrams(ReadOnlySpan<Datagram> datagrams, DatagramSender sender);

    /// <summary>
    /// Called for an error that concerns one datagram. The endpoint goes on. Each error is reported once, but no more
    /// than 64 wait to be reported: <see cref="DatagramEndpoint.FailedSends"/> counts all that the kernel has refused.
    /// </summary>
    /// <param name="socketError">
    /// What has happened. On a connected endpoint, <see cref="SocketError.ConnectionRefused"/> is the answer of the
    /// peer's system to an earlier datagram: nothing receives there.
    /// </param>
    /// <param name="remoteAddress">
    /// Where the datagram was sent to; empty if the system does not tell it, and for a connected endpoint.
    /// </param>
    public virtual void OnError(SocketError socketError, DatagramAddress remoteAddress)
    {
    }
}
