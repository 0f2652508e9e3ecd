using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Dialing;

internal static class PlainListener
{
    /// <summary>A listener on the loopback address, without loops.</summary>
    public static Socket Start()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return listener;
    }
}
