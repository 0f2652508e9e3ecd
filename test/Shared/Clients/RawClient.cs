using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// The peer: a plain socket, or TLS on one. Asynchronous throughout, as its caller may be on an event loop's thread.
/// </summary>
internal sealed class RawClient(Socket socket) : IDisposable
{
    private SslStream? _tls;

    // What came behind the text that was asked for: the next receive begins with it.
    private byte[] _ahead = [];
    private int _start;
    private int _end;

    public Socket Socket => socket;

    public static async Task<RawClient> ConnectAsync(
        EndPoint endPoint, Action<Socket>? configure = null, bool tls = false)
    {
        var client = Create(endPoint, configure);
        try
        {
            await client.Socket.ConnectAsync(endPoint).DefaultTimeout();
            if (tls)
            {
                await client.StartTlsAsync().DefaultTimeout();
            }

            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>Whether somebody listens there.</summary>
    public static async Task<bool> CanConnectAsync(EndPoint endPoint)
    {
        try
        {
            using var client = await ConnectAsync(endPoint);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>A client that is not connected yet.</summary>
    public static RawClient Create(EndPoint endPoint, Action<Socket>? configure = null)
    {
        var protocol = endPoint is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp;
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, protocol);
        if (protocol == ProtocolType.Tcp)
        {
            socket.NoDelay = true;
        }

        configure?.Invoke(socket);
        return new RawClient(socket);
    }

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        if (_tls is not null)
        {
            await _tls.WriteAsync(bytes).DefaultTimeout();
            return;
        }

        while (!bytes.IsEmpty)
        {
            bytes = bytes[await socket.SendAsync(bytes).DefaultTimeout()..];
        }
    }

    public Task SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

    public async Task<byte[]> ReceiveExactlyAsync(int count)
    {
        var bytes = new byte[count];
        for (var received = TakeAhead(bytes); received < count;)
        {
            var n = await ReceiveAsync(bytes.AsMemory(received));
            Assert.True(n > 0, $"End of stream after {received} of {count} bytes.");
            received += n;
        }

        return bytes;
    }

    /// <summary>Everything up to the end; a reset is a <see cref="SocketException"/>.</summary>
    public async Task<byte[]> ReceiveToEndAsync()
    {
        using var all = new MemoryStream();
        var buffer = new byte[32 * 1024];
        all.Write(_ahead, _start, _end - _start);
        _start = _end = 0;
        for (int n; (n = await ReceiveAsync(buffer)) > 0;)
        {
            all.Write(buffer, 0, n);
        }

        return all.ToArray();
    }

    /// <summary>The text up to and with the marker; what came with it stays for the next receive.</summary>
    public async Task<string> ReceiveThroughAsync(string marker)
        => await FindAsync(marker) is { } length
            ? TakeText(length)
            : throw new Xunit.Sdk.XunitException(
                $"The connection ended before '{marker}'. Received: {TakeText(_end - _start)}");

    /// <summary>The next line without its end; <see langword="null"/> at the end of the stream.</summary>
    public async Task<string?> ReceiveLineAsync()
    {
        if (await FindAsync("\n") is { } length)
        {
            return TakeText(length)[..^1].TrimEnd('\r');
        }

        return _start < _end ? TakeText(_end - _start) : null;
    }

    public async Task<string> ReceiveTextAsync(int length)
        => Encoding.Latin1.GetString(await ReceiveExactlyAsync(length));

    /// <summary>All text up to the end; a reset is a <see cref="SocketException"/>.</summary>
    public async Task<string> ReceiveTextToEndAsync() => Encoding.Latin1.GetString(await ReceiveToEndAsync());

    /// <summary>Until the connection ends in whatever way.</summary>
    public async Task ReceiveUntilGoneAsync()
    {
        try
        {
            await ReceiveToEndAsync();
        }
        catch (Exception exception) when (exception is SocketException or IOException)
        {
        }
    }

    public async Task ExpectFinAsync() => Assert.Empty(await ReceiveToEndAsync());

    /// <summary>Passes over data in flight: what counts is that the stream ends by RST.</summary>
    public async Task ExpectResetAsync()
    {
        var exception = await Assert.ThrowsAsync<SocketException>(ReceiveToEndAsync);
        Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
    }

    /// <summary>Sends FIN.</summary>
    public void ShutdownSend() => socket.Shutdown(SocketShutdown.Send);

    /// <summary>Says that no more comes: by close_notify over TLS, by FIN otherwise.</summary>
    public async Task ShutdownAsync()
    {
        if (_tls is null)
        {
            ShutdownSend();
        }
        else
        {
            await _tls.ShutdownAsync().DefaultTimeout();
        }
    }

    /// <summary>Closes with RST.</summary>
    public void Reset()
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
    }

    public void Dispose()
    {
        _tls?.Dispose();
        socket.Dispose();
    }

    private Task StartTlsAsync()
    {
        _tls = new SslStream(new NetworkStream(socket), leaveInnerStreamOpen: false, TestCertificate.IsTheOne);
        return _tls.AuthenticateAsClientAsync("localhost");
    }

    private Task<int> ReceiveAsync(Memory<byte> buffer)
        => _tls is null ? socket.ReceiveAsync(buffer).DefaultTimeout() : _tls.ReadAsync(buffer).DefaultTimeout();

    /// <summary>Receives until the marker is there; the length through it, or null where the stream ends.</summary>
    private async Task<int?> FindAsync(string marker)
    {
        var sought = Encoding.Latin1.GetBytes(marker);
        for (var searched = 0; ;)
        {
            var at = _ahead.AsSpan((_start + searched).._end).IndexOf(sought);
            if (at >= 0)
            {
                return searched + at + sought.Length;
            }

            searched = Math.Max(0, _end - _start - sought.Length + 1);
            if (!await ReceiveAheadAsync())
            {
                return null;
            }
        }
    }

    private async Task<bool> ReceiveAheadAsync()
    {
        _ahead.AsSpan(_start.._end).CopyTo(_ahead);
        (_start, _end) = (0, _end - _start);
        if (_end == _ahead.Length)
        {
            Array.Resize(ref _ahead, Math.Max(64 * 1024, _end * 2));
        }

        var n = await ReceiveAsync(_ahead.AsMemory(_end));
        _end += n;
        return n > 0;
    }

    private int TakeAhead(Span<byte> target)
    {
        var count = Math.Min(target.Length, _end - _start);
        _ahead.AsSpan(_start, count).CopyTo(target);
        _start += count;
        return count;
    }

    private string TakeText(int length)
    {
        var text = Encoding.Latin1.GetString(_ahead, _start, length);
        _start += length;
        return text;
    }
}
