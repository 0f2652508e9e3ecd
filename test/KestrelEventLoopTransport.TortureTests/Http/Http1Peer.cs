using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>A client that pipelines requests on one connection, each byte of the responses verified.</summary>
/// <remarks>Not an <see cref="HttpPeer"/>, which fails its test when a fault ends the connection.</remarks>
internal sealed class Http1Peer
{
    private const int MaxRequests = 30;
    private const int MaxHead = 4096;

    private readonly Episode _episode;
    private readonly Socket _socket;
    private readonly List<(bool IsPost, int Stream, int Length)> _requests = [];
    private readonly byte[] _buffer = new byte[32 * 1024];
    private readonly bool _resets;
    private readonly int _port;
    private int _start;
    private int _end;
    private volatile bool _ending;
    private string _state = "connecting";

    private Http1Peer(Episode episode, Socket socket, int port, int connection, Random random)
    {
        _port = port;
        _episode = episode;
        _socket = socket;
        _resets = random.Next(8) == 0;
        var most = Math.Min(episode.Plan.MaxTransfer, random.Next(3) == 0 ? int.MaxValue : 5000);
        for (var count = random.Next(1, MaxRequests); count > 0; count--)
        {
            _requests.Add((random.Next(3) == 0, (connection * MaxRequests) + count, random.Next(most)));
        }
    }

    public static async Task RunAsync(Episode episode, EndPoint endPoint, int connection, Random random)
    {
        using var socket = ClientSocket.Create(endPoint, out var port);
        var peer = new Http1Peer(episode, socket, port, connection, random);
        try
        {
            await socket.ConnectAsync(endPoint);
            episode.Watch(peer);
            await peer.RunAsync(random);
        }
        catch (Exception exception) when (exception is SocketException or IOException or ObjectDisposedException)
        {
            if (!peer._ending && !episode.Stopping && !FaultyLibc.HasBroken(port))
            {
                episode.Fail($"HTTP connection {connection} from port {port}, {peer._state}: {exception}");
            }
        }
        finally
        {
            episode.Unwatch(peer);
        }
    }

    public override string ToString() => $"HTTP connection from port {_port}: {_state}";

    private async Task RunAsync(Random random)
    {
        var sending = SendAsync(new Random(random.Next()));
        try
        {
            for (var i = 0; i < _requests.Count; i++)
            {
                _state = $"waits for response {i} of {_requests.Count}, {_requests[i]}";
                await ReceiveAsync(_requests[i].Stream, _requests[i].Length, random);
            }

            _state = "waits for the end";
            if (await ReceiveMoreAsync())
            {
                _episode.Fail($"More than the responses: {Encoding.ASCII.GetString(_buffer, _start, _end - _start)}");
            }
        }
        finally
        {
            _socket.Dispose();
            await IgnoreAsync(sending);
        }
    }

    private async Task SendAsync(Random random)
    {
        // Several requests in one piece, or one in several.
        var pending = new MemoryStream();
        for (var i = 0; i < _requests.Count; i++)
        {
            var (isPost, stream, length) = _requests[i];
            var isLast = i == _requests.Count - 1;
            pending.Write(Encoding.ASCII.GetBytes(
                $"{(isPost ? "POST" : "GET")} /?stream={stream}&length={length} HTTP/1.1\r\nHost: torture\r\n"
                + (isPost ? $"Content-Length: {length}\r\n" : "")
                + (isLast ? "Connection: close\r\n" : "") + "\r\n"));
            if (isPost)
            {
                pending.Write(Pattern.Create(length, stream));
            }

            if (_resets && random.Next(_requests.Count) == 0)
            {
                _ending = true;
                _socket.LingerState = new LingerOption(true, 0);
                _socket.Dispose();
                return;
            }

            if (isLast || random.Next(3) != 0)
            {
                await SendAsync(pending.ToArray(), random);
                pending.SetLength(0);
                await Pace.PauseAsync(random, blocks: false);
            }
        }
    }

    private async Task SendAsync(ReadOnlyMemory<byte> bytes, Random random)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await _socket.SendAsync(bytes[..Math.Min(bytes.Length, Pace.ChunkSize(random) * 4)])..];
            _episode.OnProgress();
        }
    }

    private async Task ReceiveAsync(int stream, int length, Random random)
    {
        var head = await ReceiveHeadAsync();
        var expected = $"\r\nContent-Length: {length.ToString(CultureInfo.InvariantCulture)}\r\n";
        if (!head.StartsWith("HTTP/1.1 200 OK\r\n", StringComparison.Ordinal)
            || !head.Contains(expected, StringComparison.Ordinal))
        {
            _episode.Fail($"Not the response to stream {stream}, length {length}: {head}");
            throw new IOException("A wrong response.");
        }

        for (var position = 0; position < length;)
        {
            if (_start == _end && !await ReceiveMoreAsync())
            {
                throw new IOException($"A response ended after {position} of {length} bytes.");
            }

            var n = Math.Min(_end - _start, length - position);
            if (Pattern.FirstMismatch(_buffer.AsSpan(_start, n), stream, position) is var at and >= 0)
            {
                _episode.Fail($"A wrong byte of a response, at {position + at} of {length}, stream {stream}.");
                throw new IOException("A wrong response.");
            }

            position += n;
            _start += n;
            await Pace.PauseAsync(random, blocks: false);
        }
    }

    private async Task<string> ReceiveHeadAsync()
    {
        var head = new StringBuilder();
        while (head.Length < MaxHead)
        {
            if (_start == _end && !await ReceiveMoreAsync())
            {
                throw new IOException($"The connection ended before a response: '{head}'.");
            }

            head.Append((char)_buffer[_start++]);
            if (head.Length >= 4 && head.ToString(head.Length - 4, 4) == "\r\n\r\n")
            {
                break;
            }
        }

        return head.ToString();
    }

    private async Task<bool> ReceiveMoreAsync()
    {
        _start = 0;
        _end = await _socket.ReceiveAsync(_buffer);
        _episode.OnReceived(_end);
        return _end > 0;
    }

    private static async Task IgnoreAsync(Task sending)
    {
        try
        {
            await sending;
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // What counts is what was received.
        }
    }
}
