using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Testing;

/// <summary>Ports for those who must know one before it is bound.</summary>
internal static class FreePort
{
    // Below what Linux gives to clients and to port 0 (ip_local_port_range, ip(7)): none of them takes it meanwhile.
    // Above the ports of a silo of Orleans.
    private const int First = 12_000;
    private const int Count = 18_000;

    private static int _last = Environment.ProcessId * 100;

    /// <summary>A TCP port that nobody uses, another one each time.</summary>
    public static int Next()
    {
        while (true)
        {
            var port = First + (int)((uint)Interlocked.Increment(ref _last) % Count);
            try
            {
                using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                socket.Bind(new IPEndPoint(IPAddress.Any, port));
                return port;
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                // The next one, then.
            }
        }
    }
}
