using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Listening;

namespace KestrelEventLoopTransport;

/// <summary>A listening endpoint. Each property gives the value of the moment.</summary>
public sealed class EventLoopListenerState
{
    private readonly EventLoopListener _listener;

    internal EventLoopListenerState(EventLoopListener listener) => _listener = listener;

    /// <summary>The address that it listens on, with the real port where 0 was asked for.</summary>
    public EndPoint EndPoint => _listener.EndPoint;

    /// <summary>
    /// Its connections that are not yet disposed of. With <see cref="EndpointOptions.MaxConnections"/>, one that is
    /// just being accepted counts already.
    /// </summary>
    public int ConnectionCount => _listener.Account.Current;

    /// <summary>Connections that it has accepted and not refused.</summary>
    public long AcceptedConnections => _listener.Account.Accepted;

    /// <summary>
    /// Connections that it has closed at once: beyond <see cref="EndpointOptions.MaxConnections"/>, or refused by
    /// <see cref="EndpointOptions.ConfigureAcceptedSocket"/>.
    /// </summary>
    public long RefusedConnections => _listener.Account.Refused;

    /// <summary>
    /// Calls of <c>accept(2)</c> that have failed: connections that were lost before they were accepted, and want of
    /// descriptors or memory.
    /// </summary>
    public long FailedAccepts => _listener.Account.Failed;

    /// <summary>
    /// Second descriptors of its listening sockets (<c>dup(2)</c>; gnet: <c>DupFd</c>), one, or with
    /// <see cref="AcceptMode.ListenerPerLoop"/> one for each loop, for a process that goes on with them: there each is
    /// a <c>FileHandleEndPoint</c>. From then on a stop leaves what is in the kernel's queue to the others.
    /// </summary>
    /// <param name="inheritable">
    /// Whether processes that this one starts inherit them under the same numbers. Default: no (<c>FD_CLOEXEC</c>).
    /// </param>
    /// <returns>The descriptors; the caller owns them.</returns>
    /// <exception cref="ObjectDisposedException">It has stopped listening.</exception>
    /// <exception cref="SocketException">The process has no free descriptor.</exception>
    public IReadOnlyList<SafeSocketHandle> DuplicateSockets(bool inheritable = false)
    {
        var handles = new List<SafeSocketHandle>();
        try
        {
            ObjectDisposedException.ThrowIf(!_listener.TryDuplicate(handles, inheritable), typeof(EventLoopListenerState));
            return handles;
        }
        catch
        {
            handles.ForEach(static handle => handle.Dispose());
            throw;
        }
    }

    internal bool IsOf(EventLoopListener listener) => ReferenceEquals(_listener, listener);
}
