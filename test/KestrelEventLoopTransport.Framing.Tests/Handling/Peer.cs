using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>The other end of a connection: sends and receives text.</summary>
internal sealed class Peer : IDisposable
{
    private readonly Socket _socket;
    private readonly Stream _stream;
    private readonly StreamReader _reader;

    private Peer(Socket socket, Stream stream)
    {
        _socket = socket;
        _stream = stream;
        _reader = new StreamReader(stream, Encoding.Latin1, false, 64 * 1024);
    }

    public static async Task<Peer> ConnectAsync(IPEndPoint endPoint, bool tls, int? receiveBufferSize)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (receiveBufferSize is { } size)
        {
            socket.ReceiveBufferSize = size;
        }

        await socket.ConnectAsync(endPoint);
        Stream stream = new NetworkStream(socket, ownsSocket: true);
        if (tls)
        {
            // The certificate is self-signed: only this very one will do.
            var secure = new SslStream(stream, false, static (_, certificate, _, _)
                => certificate!.GetCertHashString() == TestCertificate.Instance.GetCertHashString());
            await secure.AuthenticateAsClientAsync("localhost");
            stream = secure;
        }

        return new Peer(socket, stream);
    }

    public Task SendAsync(string text) => _stream.WriteAsync(Encoding.Latin1.GetBytes(text)).AsTask().DefaultTimeout();

    public Task SendUnencryptedAsync(string text)
        => _socket.SendAsync(Encoding.Latin1.GetBytes(text)).DefaultTimeout();

    /// <summary>The next line, or null at the end of the stream.</summary>
    public Task<string?> ReceiveLineAsync() => _reader.ReadLineAsync().DefaultTimeout();

    public Task ReceiveCharacterAsync() => _reader.ReadAsync(new char[1]).AsTask().DefaultTimeout();

    public Task<string> ReceiveToEndAsync() => _reader.ReadToEndAsync().DefaultTimeout();

    /// <summary>Whatever way the connection ends.</summary>
    public async Task ReceiveUntilGoneAsync()
    {
        try
        {
            await ReceiveToEndAsync();
        }
        catch (IOException)
        {
        }
    }

    /// <summary>Whether the connection was reset. It does not read, which would let the server send.</summary>
    public bool IsBroken => (int)_socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)! != 0;

    public Task ShutdownAsync()
    {
        if (_stream is SslStream secure)
        {
            return secure.ShutdownAsync();
        }

        _socket.Shutdown(SocketShutdown.Send);
        return Task.CompletedTask;
    }

    public void Reset()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Dispose();
    }

    public void Dispose() => _stream.Dispose();
}
