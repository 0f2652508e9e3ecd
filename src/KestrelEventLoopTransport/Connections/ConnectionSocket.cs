using System.Net.Sockets;

namespace KestrelEventLoopTransport.Connections;

/// <summary>
/// The <see cref="Socket"/> object over a connection's descriptor, for applications that ask for it. It does not own
/// the descriptor. The connection disposes it before it closes the descriptor.
/// </summary>
internal struct ConnectionSocket
{
    // In place of the socket once the descriptor is about to be closed.
    private static readonly object _disposed = new();

    private object? _socket;

    /// <summary>
    /// Whether the application has another descriptor of the same file: of a socket that was enrolled by its handle.
    /// </summary>
    internal bool IsShared { get; init; }

    /// <summary>The socket, or null when there is none.</summary>
    internal readonly Socket? Current => Volatile.Read(in _socket) as Socket;

    /// <summary>
    /// Whether the application may have the socket. It may have shut the connection down, set options, or duplicated
    /// the descriptor.
    /// </summary>
    internal readonly bool IsInUse => IsShared || Volatile.Read(in _socket) is not null;

    internal static Socket CreateClosed()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Dispose();
        return socket;
    }

    /// <summary>Makes the socket. The caller holds a reference to the descriptor.</summary>
    internal Socket GetOrCreate(int fd)
    {
        var created = new Socket(new SafeSocketHandle(fd, ownsHandle: false));
        if (Interlocked.CompareExchange(ref _socket, created, null) is not Socket first)
        {
            return created;
        }

        created.Dispose();
        return first;
    }

    /// <summary>Disposes the socket. True when there was one, or the descriptor is shared.</summary>
    internal bool Dispose()
    {
        var socket = Interlocked.Exchange(ref _socket, _disposed) as Socket;
        socket?.Dispose();
        return IsShared || socket is not null;
    }
}
