using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.ProxyProtocol;

/// <summary>A connection without a listener (<c>socketpair(2)</c>). The server's side does not block.</summary>
internal sealed unsafe class SocketPair : IDisposable
{
    private readonly Socket _server;

    public SocketPair()
    {
        var pair = stackalloc int[2];
        Assert.Equal(0, Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM, 0, pair));
        _server = new Socket(new SafeSocketHandle(pair[0], ownsHandle: true)) { Blocking = false };
        Client = new Socket(new SafeSocketHandle(pair[1], ownsHandle: true));
    }

    public Socket Client { get; }

    public int ServerFd => (int)_server.Handle;

    /// <summary>What the client has sent and the server's side has not received.</summary>
    public byte[] ReceiveAll()
    {
        Client.Shutdown(SocketShutdown.Send);
        var bytes = new byte[4096];
        return bytes[.._server.Receive(bytes)];
    }

    public void Dispose()
    {
        _server.Dispose();
        Client.Dispose();
    }
}
