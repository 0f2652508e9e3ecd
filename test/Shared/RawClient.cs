using System.Net;
using System.Net.Sockets;
using System.Text;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// The peer: a plain socket. Asynchronous throughout, as its caller may be on an event loop's thread.
/// </summary>
internal sealed class RawClient(Socket socket) : IDisposable
{
    private string _received = "";

    public Socket Socket => socket;

    public static async Task<RawClient> ConnectAsync(EndPoint endPoint, Action<Socket>? configure = null)
    {
        var client = Create(endPoint, configure);
        try
        {
            await client.Socket.ConnectAsync(endPoint).DefaultTimeout();
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    public static RawClient Create(EndPoint endPoint, Action<Socket>? configure = null)
    {
        var protocol = endPoint is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp;
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, protocol);
        configure?.Invoke(socket);
        return new RawClient(socket);
    }

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await socket.SendAsync(bytes).DefaultTimeout()..];
        }
    }

    public Task SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

    public async Task<byte[]> ReceiveExactlyAsync(int count)
    {
        var bytes = new byte[count];
        for (var received = 0; received < count;)
        {
            var n = await socket.ReceiveAsync(bytes.AsMemory(received)).DefaultTimeout();
            Assert.True(n > 0, $"End of stream after {received} of {count} bytes.");
            received += n;
        }

        return bytes;
    }

    /// <summary>Everything up to FIN; a reset is a <see cref="SocketException"/>.</summary>
    public async Task<byte[]> ReceiveToEndAsync()
    {
        using var all = new MemoryStream();
        var buffer = new byte[32 * 1024];
        while (true)
        {
            var n = await socket.ReceiveAsync(buffer).DefaultTimeout();
            if (n == 0)
            {
                return all.ToArray();
            }

            all.Write(buffer, 0, n);
        }
    }

    /// <summary>The text up to and with the marker; what came with it stays for the next receive of text.</summary>
    public async Task<string> ReceiveThroughAsync(string marker)
    {
        var buffer = new byte[64 * 1024];
        int at;
        while ((at = _received.IndexOf(marker, StringComparison.Ordinal)) < 0)
        {
            var n = await socket.ReceiveAsync(buffer).DefaultTimeout();
            Assert.True(n > 0, $"The connection ended before '{marker}'. Received: {_received}");
            _received += Encoding.Latin1.GetString(buffer, 0, n);
        }

        var through = _received[..(at + marker.Length)];
        _received = _received[through.Length..];
        return through;
    }

    /// <summary>All text up to FIN; a reset is a <see cref="SocketException"/>.</summary>
    public async Task<string> ReceiveTextToEndAsync()
    {
        var text = _received + Encoding.Latin1.GetString(await ReceiveToEndAsync());
        _received = "";
        return text;
    }

    public async Task ExpectFinAsync() => Assert.Empty(await ReceiveToEndAsync());

    /// <summary>Passes over data in flight: what counts is that the stream ends by RST.</summary>
    public async Task ExpectResetAsync()
    {
        var exception = await Assert.ThrowsAsync<SocketException>(ReceiveToEndAsync);
        Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
    }

    public void ShutdownSend() => socket.Shutdown(SocketShutdown.Send);

    /// <summary>Closes with RST.</summary>
    public void Reset()
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
    }

    public void Dispose() => socket.Dispose();
}
