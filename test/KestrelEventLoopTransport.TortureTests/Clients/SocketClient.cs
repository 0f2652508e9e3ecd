using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>A plain socket that no fault touches.</summary>
internal sealed class SocketClient : TortureClient
{
    private readonly EndPoint _endPoint;
    private readonly Socket _socket;

    public SocketClient(Conversation conversation, EndPoint endPoint, Random random)
    {
        _endPoint = endPoint;
        _socket = ClientSocket.Create(endPoint, out var port);
        conversation.Port = port;
        if (random.Next(4) == 0)
        {
            _socket.ReceiveBufferSize = 4096;
        }

        if (random.Next(8) == 0)
        {
            _socket.SendBufferSize = 4096;
        }
    }

    public override Task ConnectAsync() => _socket.ConnectAsync(_endPoint);

    public override ValueTask<int> SendAsync(ReadOnlyMemory<byte> bytes) => _socket.SendAsync(bytes);

    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer) => _socket.ReceiveAsync(buffer);

    public override void FinishSending() => _socket.Shutdown(SocketShutdown.Send);

    public override void Close() => _socket.Dispose();

    public override void Reset()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Dispose();
    }

    public override ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return default;
    }
}
