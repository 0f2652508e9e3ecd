using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Listening;

namespace KestrelEventLoopTransport;

/// <summary>
/// A listening endpoint of the transport, from <see cref="EventLoopTransportMonitor.Endpoints"/>. A live object: each
/// property returns its current value. All members are thread-safe.
/// </summary>
public sealed class EventLoopEndpoint
{
    private readonly EventLoopListener _listener;

    internal EventLoopEndpoint(EventLoopListener listener) => _listener = listener;

    /// <summary>
    /// The address that the endpoint listens on. If port 0 was requested, this is the port that the kernel chose.
    /// </summary>
    public EndPoint EndPoint => _listener.EndPoint;

    /// <summary>
    /// Number of connections of this endpoint that are not yet disposed. If
    /// <see cref="EndpointOptions.MaxConnections"/> is set, a connection counts from the moment at which its accept
    /// begins. Connections that wait for their PROXY header (<see cref="EndpointOptions.ProxyProtocol"/>) count too.
    /// </summary>
    public int ConnectionCount => _listener.Limiter.Current;

    /// <summary>Number of connections that have been accepted and were not refused.</summary>
    public long AcceptedConnections => _listener.Limiter.Counts[ListenerCount.Accepted];

    /// <summary>
    /// Number of connections that have been closed immediately after accept: those beyond
    /// <see cref="EndpointOptions.MaxConnections"/>, those that <see cref="EndpointOptions.ConfigureAcceptedSocket"/>
    /// has refused, and those of peers that <see cref="EndpointOptions.ProxyProtocol"/> does not trust.
    /// </summary>
    public long RefusedConnections => _listener.Limiter.Counts[ListenerCount.Refused];

    /// <summary>
    /// Number of failed calls of <c>accept(2)</c>. A call fails if the connection was lost before it was accepted, or
    /// if the process or the system has no free descriptor or memory.
    /// </summary>
    public long FailedAccepts => _listener.Limiter.Counts[ListenerCount.Failed];

    /// <summary>
    /// Number of connections that have been closed for want of a valid PROXY header
    /// (<see cref="EndpointOptions.ProxyProtocol"/>). They are not among <see cref="AcceptedConnections"/>.
    /// </summary>
    /// <param name="reason">What was wrong.</param>
    /// <returns>The number since the endpoint was bound.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="reason"/> is not a reason.</exception>
    public long GetProxyProtocolFailures(ProxyProtocolFailure reason)
    {
        if (!Enum.IsDefined(reason))
        {
            throw new ArgumentOutOfRangeException(nameof(reason), reason, "There is no such reason.");
        }

        return _listener.Limiter.Counts[ListenerCount.ProxyFailures + (int)reason];
    }

    /// <summary>
    /// Duplicates the descriptors of the listening sockets (<c>dup(2)</c>; gnet: <c>DupFd</c>) so that another process
    /// can continue to serve the endpoint. That process serves each descriptor as a <c>FileHandleEndPoint</c>. After
    /// this call, the endpoint does not drain the kernel's accept queue when it stops: the other process serves the
    /// connections in it.
    /// </summary>
    /// <param name="inheritable">
    /// Whether child processes inherit the descriptors, with the same numbers. Default: <see langword="false"/>, which
    /// sets <c>FD_CLOEXEC</c>.
    /// </param>
    /// <returns>
    /// One descriptor, or one for each loop with <see cref="AcceptMode.ListenerPerLoop"/>. The caller owns them.
    /// </returns>
    /// <exception cref="ObjectDisposedException">The endpoint has stopped listening.</exception>
    /// <exception cref="SocketException">The process has no free descriptor.</exception>
    public IReadOnlyList<SafeSocketHandle> DuplicateSockets(bool inheritable = false)
    {
        var handles = new List<SafeSocketHandle>();
        try
        {
            ObjectDisposedException.ThrowIf(!_listener.TryDuplicate(handles, inheritable), this);
            return handles;
        }
        catch
        {
            handles.ForEach(static handle => handle.Dispose());
            throw;
        }
    }

    internal EventLoopListener Listener => _listener;

    internal bool IsOf(EventLoopListener listener) => ReferenceEquals(_listener, listener);
}
