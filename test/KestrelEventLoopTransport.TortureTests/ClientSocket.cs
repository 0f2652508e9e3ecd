using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Torture;

/// <summary>Makes clients' sockets: plain ones, that no fault touches.</summary>
internal static class ClientSocket
{
    /// <summary>
    /// A socket that is not connected yet and has its port already: a connection may be lost before the client hears
    /// that there was one. A Unix socket has port 0.
    /// </summary>
    public static Socket Create(EndPoint endPoint, out int port)
    {
        if (endPoint is UnixDomainSocketEndPoint)
        {
            port = 0;
            return new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        }

        while (true)
        {
            var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            port = ((IPEndPoint)socket.LocalEndPoint!).Port;
            if (port != ((IPEndPoint)endPoint).Port)
            {
                return socket;
            }

            // The server has stopped and left us its port: we would connect to ourselves.
            socket.Dispose();
        }
    }
}
