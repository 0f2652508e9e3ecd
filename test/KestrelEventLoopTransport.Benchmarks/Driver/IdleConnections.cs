using System.Net;
using System.Net.Sockets;
using System.Text;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

internal sealed class IdleConnections : IDisposable
{
    private static readonly byte[] _request = "GET /plaintext HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray();

    private readonly List<Socket> _sockets = [];

    public IdleConnections(int port, int count)
    {
        try
        {
            for (var i = 0; i < count; i++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
                {
                    ReceiveTimeout = 10_000,
                };
                _sockets.Add(socket);
                socket.Connect(IPAddress.Loopback, port);
            }
        }
        catch (SocketException e)
        {
            var opened = _sockets.Count;
            Dispose();
            throw new BenchmarkFailedException($"connection {opened} of {count}: {e.Message} (ulimit -n?)");
        }
    }

    // One request over each connection, each answer awaited and checked.
    public void Request()
    {
        var buffer = new byte[1024];
        foreach (var socket in _sockets)
        {
            socket.Send(_request);
            var received = 0;
            while (!buffer.AsSpan(0, received).EndsWith("Hello, World!"u8))
            {
                var count = socket.Receive(buffer, received, buffer.Length - received, SocketFlags.None);
                if (count == 0)
                {
                    throw new BenchmarkFailedException("the server closed an idle connection");
                }

                received += count;
            }

            if (!buffer.AsSpan(0, received).StartsWith("HTTP/1.1 200 "u8))
            {
                throw new BenchmarkFailedException(
                    $"unexpected answer: {Encoding.ASCII.GetString(buffer, 0, received)}");
            }
        }
    }

    public void ThrowIfAnyIsClosed()
    {
        var closed = _sockets.Count(socket => socket.Poll(0, SelectMode.SelectRead));
        if (closed > 0)
        {
            throw new BenchmarkFailedException($"the server closed {closed} idle connections");
        }
    }

    public void Dispose()
    {
        _sockets.ForEach(socket => socket.Dispose());
        _sockets.Clear();
    }
}
