using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport;

/// <summary>
/// The socket that a hook configures. It is the transport's own socket, not a duplicate, and it is valid until the hook
/// returns.
/// </summary>
public abstract class SocketContext
{
    private int _fd;
    private Socket? _socket;

    private protected SocketContext(int fd, EndPoint endPoint)
    {
        _fd = fd;
        EndPoint = endPoint;
    }

    /// <summary>
    /// The endpoint that is about to be bound; for an accepted socket, the endpoint that accepted it.
    /// </summary>
    public EndPoint EndPoint { get; }

    /// <summary>The socket's file descriptor. The transport owns it: do not close it.</summary>
    /// <exception cref="ObjectDisposedException">The hook has returned.</exception>
    public int FileDescriptor
    {
        get
        {
            ObjectDisposedException.ThrowIf(_fd < 0, this);
            return _fd;
        }
    }

    /// <summary>
    /// A <see cref="System.Net.Sockets.Socket"/> for the descriptor, for options that this class has properties for. It
    /// is created on first use, does not own the descriptor, and is disposed when the hook returns. Do not send or
    /// receive with it, and do not make it blocking.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The hook has returned.</exception>
    public Socket Socket => _socket ??= new Socket(new SafeSocketHandle(FileDescriptor, ownsHandle: false));

    /// <summary>Sets an integer option (<c>setsockopt(2)</c>).</summary>
    /// <param name="level">The protocol level, such as 1 for <c>SOL_SOCKET</c> or 6 for <c>IPPROTO_TCP</c>.</param>
    /// <param name="name">The option's number in that level.</param>
    /// <param name="value">The value.</param>
    /// <exception cref="SocketException">The kernel rejects the option or the value.</exception>
    /// <exception cref="ObjectDisposedException">The hook has returned.</exception>
    public void SetOption(int level, int name, int value)
        => SetOption(level, name, MemoryMarshal.AsBytes(new ReadOnlySpan<int>(in value)));

    /// <summary>Sets an option of any type (<c>setsockopt(2)</c>).</summary>
    /// <param name="level">The protocol level, such as 1 for <c>SOL_SOCKET</c> or 6 for <c>IPPROTO_TCP</c>.</param>
    /// <param name="name">The option's number in that level.</param>
    /// <param name="value">The value, in the layout that the kernel expects.</param>
    /// <exception cref="SocketException">The kernel rejects the option or the value.</exception>
    /// <exception cref="ObjectDisposedException">The hook has returned.</exception>
    public void SetOption(int level, int name, ReadOnlySpan<byte> value)
        => SocketOption.Set(FileDescriptor, level, name, value);

    /// <summary>Reads an option (<c>getsockopt(2)</c>).</summary>
    /// <param name="level">The protocol level.</param>
    /// <param name="name">The option's number in that level.</param>
    /// <param name="value">Receives the value.</param>
    /// <returns>The length of the value in bytes.</returns>
    /// <exception cref="SocketException">The kernel does not know the option.</exception>
    /// <exception cref="ObjectDisposedException">The hook has returned.</exception>
    public int GetOption(int level, int name, Span<byte> value) => SocketOption.Get(FileDescriptor, level, name, value);

    /// <summary>Reads an integer option (<c>getsockopt(2)</c>).</summary>
    /// <param name="level">The protocol level.</param>
    /// <param name="name">The option's number in that level.</param>
    /// <returns>The value.</returns>
    /// <exception cref="SocketException">The kernel does not know the option.</exception>
    /// <exception cref="ObjectDisposedException">The hook has returned.</exception>
    public int GetOption(int level, int name)
    {
        Span<byte> value = stackalloc byte[sizeof(int)];
        value.Clear();
        GetOption(level, name, value);
        return BitConverter.ToInt32(value);
    }

    /// <summary>Ends the hook's access to the socket.</summary>
    internal void End()
    {
        _fd = -1;
        _socket?.Dispose();
    }
}
