using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>Makes clients' sockets: plain ones, that no fault touches.</summary>
/// <remarks>Not a <see cref="RawClient"/>: faults are told apart by the client's port.</remarks>
internal static class ClientSocket
{
    private const int FirstPort = 10_000;
    private const int Ports = 50_000;

    private static int _lastPort = Random.Shared.Next(Ports);

    /// <summary>
    /// A socket that is not connected yet and has its port already: a connection may be lost before the client hears
    /// that there was one. A Unix socket has port 0.
    /// </summary>
    public static Socket Create(EndPoint endPoint, out int port)
    {
        if (endPoint is not IPEndPoint server)
        {
            port = 0;
            return new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        }

        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        port = Bind(socket, server);
        return socket;
    }

    /// <summary>Gives a socket a port, which is returned.</summary>
    public static int Bind(Socket socket, IPEndPoint server)
    {
        while (true)
        {
            // The kernel would give the same port again while an earlier connection of it waits (TIME_WAIT), and then
            // refuse to connect. With these it takes longer than the minute of waiting until they come round.
            var port = FirstPort + (int)((uint)Interlocked.Increment(ref _lastPort) % Ports);
            try
            {
                // The server's own port may be free, if it has stopped: we would connect to ourselves.
                if (port != server.Port)
                {
                    socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
                    return port;
                }
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
            }
        }
    }
}
