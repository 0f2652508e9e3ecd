using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>A client of a datagram endpoint. It knows what it has asked, and strikes out what was answered.</summary>
internal sealed class DatagramPeer : IDisposable
{
    /// <summary>The longest datagram.</summary>
    public const int MaxSize = 3000;

    private const int HeaderSize = 12;
    private const int MostAtOnce = 20;

    // How long an answer is waited for before more is asked. What comes later is still checked.
    private static readonly TimeSpan _patience = TimeSpan.FromMilliseconds(20);

    private readonly Episode _episode;
    private readonly int _endpoint;
    private readonly int _id;
    private readonly EndPoint _server;
    private readonly Socket _socket;
    private readonly Random _random;
    private readonly Dictionary<int, int> _asked = [];
    private readonly byte[] _buffer = new byte[MaxSize + 1];
    private int _last;

    /// <param name="episode">The episode.</param>
    /// <param name="endpoint">The number of the endpoint.</param>
    /// <param name="id">The client's own number.</param>
    /// <param name="server">The endpoint's address.</param>
    /// <param name="path">The name of the client, for a Unix socket.</param>
    public DatagramPeer(Episode episode, int endpoint, int id, EndPoint server, SocketPath? path = null)
    {
        _episode = episode;
        _endpoint = endpoint;
        _id = id;
        _server = server;
        _random = new Random(unchecked((episode.Plan.Seed * 397) + id));
        _socket = path is null
            ? new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
            : new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        _socket.Blocking = false;
        _socket.Bind(path is null ? new IPEndPoint(IPAddress.Loopback, 0) : new UnixDomainSocketEndPoint(path.Path));

        // Connected: an answer of another endpoint would not arrive at all, and its question stay open.
        _socket.Connect(server);
    }

    public static int EndpointOf(ReadOnlySpan<byte> datagram)
        => datagram.Length < HeaderSize ? -1 : BinaryPrimitives.ReadInt32LittleEndian(datagram);

    /// <summary>
    /// Asks until the episode ends, and then until it is answered once more: the endpoint still serves.
    /// </summary>
    public async Task RunAsync(Func<bool> ends)
    {
        while (!ends() && _episode.Failures.Count == 0)
        {
            await AskAsync(_random.Next(1, MostAtOnce));
        }

        var start = Stopwatch.GetTimestamp();
        while (!_episode.Plan.StopsEarly && !_episode.Stopping && _episode.Failures.Count == 0
            && !await AskAsync(1))
        {
            if (Stopwatch.GetElapsedTime(start) > Watchdog.Patience)
            {
                _episode.Fail($"{this}: no answer any more.");
            }
        }

        // What a Unix socket has not read takes the sender's buffer (unix(7)), and then no other client is answered.
        _socket.Dispose();
    }

    public void Dispose() => _socket.Dispose();

    public override string ToString() => $"client {_id} of datagram endpoint {_endpoint} ({_server})";

    /// <summary>Whether anything was answered.</summary>
    private async Task<bool> AskAsync(int count)
    {
        for (var i = 0; i < count; i++)
        {
            Send();
        }

        var answers = 0;
        using var patience = new CancellationTokenSource(_patience);
        while (answers < count && _episode.Failures.Count == 0)
        {
            try
            {
                var length = await _socket.ReceiveAsync(_buffer.AsMemory(), patience.Token);
                Check(_buffer.AsSpan(0, length));
                answers++;
                _episode.OnReceived(length);
            }
            catch (OperationCanceledException)
            {
                break;
            }
            catch (SocketException)
            {
                // The endpoint has stopped.
                await Task.Delay(1);
                break;
            }
        }

        return answers != 0;
    }

    private void Send()
    {
        var number = ++_last;
        var length = _random.Next(10) == 0 ? MaxSize : _random.Next(HeaderSize, 1500);
        Span<byte> datagram = stackalloc byte[MaxSize];
        datagram = datagram[..length];
        Write(datagram, number);
        try
        {
            _socket.Send(datagram);
            _asked.Add(number, length);
        }
        catch (SocketException)
        {
            // The endpoint's buffer is full, or it has stopped.
        }
    }

    private void Write(Span<byte> datagram, int number)
    {
        BinaryPrimitives.WriteInt32LittleEndian(datagram, _endpoint);
        BinaryPrimitives.WriteInt32LittleEndian(datagram[4..], _id);
        BinaryPrimitives.WriteInt32LittleEndian(datagram[8..], number);
        new Random(unchecked((_id * 397) + number)).NextBytes(datagram[HeaderSize..]);
    }

    private void Check(ReadOnlySpan<byte> answer)
    {
        var number = answer.Length < HeaderSize ? 0 : BinaryPrimitives.ReadInt32LittleEndian(answer[8..]);
        if (!_asked.Remove(number, out var length))
        {
            _episode.Fail($"{this}: answer {number} came twice, or was never asked for.");
            return;
        }

        Span<byte> expected = stackalloc byte[MaxSize];
        expected = expected[..length];
        Write(expected, number);
        if (!answer.SequenceEqual(expected))
        {
            _episode.Fail($"{this}: answer {number} of {answer.Length} bytes is not what was sent.");
        }
    }
}
