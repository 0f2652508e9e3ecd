using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>
/// A listener that does not accept and whose queue is full: the kernel drops further SYNs, so that a client gets no
/// answer.
/// </summary>
internal sealed class DeafListener : IDisposable
{
    private readonly Socket _listener;
    private readonly List<Socket> _clients = [];

    public DeafListener(IPEndPoint endPoint)
    {
        _listener = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(endPoint);
        _listener.Listen(0);
        EndPoint = (IPEndPoint)_listener.LocalEndPoint!;

        // The first ones are queued, by the kernel's count; one that waits shows that the queue is full.
        while (_clients.Count == 0 || _clients[^1].Poll(100_000, SelectMode.SelectWrite))
        {
            var client = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
            _clients.Add(client);
            try
            {
                client.Connect(EndPoint);
            }
            catch (SocketException exception) when (exception.SocketErrorCode is SocketError.WouldBlock
                or SocketError.InProgress)
            {
            }
        }
    }

    public IPEndPoint EndPoint { get; }

    public void Dispose()
    {
        _clients.ForEach(static client => client.Dispose());
        _listener.Dispose();
    }
}
