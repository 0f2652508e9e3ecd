using System.Net;
using System.Net.Sockets;
using System.Text;

namespace KestrelEventLoopTransport.IntegrationTests.Clients;

/// <summary>
/// A plain TCP client that decides itself what goes over the wire and how the connection ends.
/// </summary>
internal sealed class RawConnection : IDisposable
{
    private readonly byte[] _buffer = new byte[64 * 1024];
    private string _received = "";

    private RawConnection(Socket socket) => Socket = socket;

    public Socket Socket { get; }

    public static async Task<RawConnection> ConnectAsync(EndPoint endPoint, int? receiveBufferSize = null)
    {
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (receiveBufferSize is { } size)
        {
            socket.ReceiveBufferSize = size;
        }

        await socket.ConnectAsync(endPoint, HangGuard.Token);
        return new RawConnection(socket);
    }

    public Task SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await Socket.SendAsync(bytes, SocketFlags.None, HangGuard.Token)..];
        }
    }

    /// <summary>Returns what was received up to and with the marker; fails when the connection ends before.</summary>
    public async Task<string> ReceiveThroughAsync(string marker)
    {
        int at;
        while ((at = _received.IndexOf(marker, StringComparison.Ordinal)) < 0)
        {
            var count = await Socket.ReceiveAsync(_buffer, SocketFlags.None, HangGuard.Token);
            Assert.True(count > 0, $"The connection ended before '{marker}'. Received: {_received}");
            _received += Encoding.Latin1.GetString(_buffer, 0, count);
        }

        var through = _received[..(at + marker.Length)];
        _received = _received[through.Length..];
        return through;
    }

    /// <summary>Returns everything until the server ends the connection with a FIN; a reset throws.</summary>
    public async Task<string> ReceiveToEndAsync()
    {
        var text = new StringBuilder(_received);
        _received = "";
        for (int count; (count = await Socket.ReceiveAsync(_buffer, SocketFlags.None, HangGuard.Token)) > 0;)
        {
            text.Append(Encoding.Latin1.GetString(_buffer, 0, count));
        }

        return text.ToString();
    }

    /// <summary>Ends the connection with a reset instead of a FIN.</summary>
    public void Reset()
    {
        Socket.LingerState = new LingerOption(true, 0);
        Socket.Dispose();
    }

    public void Dispose() => Socket.Dispose();
}
