using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>
/// .NET's client, over either kind of client: with many streams on one connection, or HTTP/1.1 requests in turn.
/// </summary>
/// <remarks>Not <see cref="LoopbackHttpClient"/>'s: faults are told apart by the client's port.</remarks>
internal sealed class HttpClientPeer
{
    private const int MaxStreams = 12;

    // The client looks at a response only when it has sent the request's body: what the server echoes meanwhile must
    // fit into the stream's window of 64 KiB, or both would wait for each other.
    private const int MaxPost = 40_000;

    private readonly ConcurrentDictionary<int, string> _streams = new();
    private readonly List<int> _ports = [];

    public override string ToString()
        => $"HTTP connections from {string.Join(", ", _ports)}: "
            + $"{string.Join("; ", _streams.Select(static s => $"stream {s.Key} {s.Value}"))}";

    public static async Task RunAsync(Episode episode, EndPoint endPoint, int connection, Random random)
    {
        var peer = new HttpClientPeer();
        var ports = peer._ports;
        episode.Watch(peer);
        using var client = new HttpClient(peer.CreateHandler(episode, endPoint))
        {
            BaseAddress = new Uri("http://torture/"),
            Timeout = Timeout.InfiniteTimeSpan,
        };
        try
        {
            await Task.WhenAll(Enumerable.Range(0, random.Next(1, MaxStreams)).Select(stream => peer.RequestAsync(
                episode,
                client,
                (connection * MaxStreams) + stream,
                random.Next(episode.Plan.MaxTransfer),
                isPost: random.Next(3) == 0)));
        }
        catch (Exception exception)
            when (exception is HttpRequestException or IOException or OperationCanceledException or SocketException)
        {
            // A SocketException of HttpClient's own is not wrapped: it asks a socket that was just reset for its peer.
            bool broken;
            lock (ports)
            {
                broken = ports.Any(FaultyLibc.HasBroken);
            }

            if (!episode.Stopping && !broken && !LoopDialer.IsShortage(exception))
            {
                episode.Fail($"HTTP connection {connection} from ports {string.Join(", ", ports)}: {exception}");
            }
        }
        finally
        {
            episode.Unwatch(peer);
        }
    }

    private SocketsHttpHandler CreateHandler(Episode episode, EndPoint endPoint)
    {
        var handler = new SocketsHttpHandler { UseProxy = false };
        if (episode.Plan.Serving == Serving.Http1)
        {
            // Idle connections of many clients would leave no room for others where the server limits their number.
            handler.MaxConnectionsPerServer = 1;
        }

        if (episode.Plan.Client == ClientKind.EventLoop)
        {
            return handler.UseConnectionFactory(new LoopDialer(episode, AddPort));
        }

        handler.ConnectCallback = async (_, cancellation) =>
        {
            var socket = ClientSocket.Create(endPoint, out var port);
            AddPort(port);
            await socket.ConnectAsync(endPoint, cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        };
        return handler;
    }

    private void AddPort(int port)
    {
        lock (_ports)
        {
            _ports.Add(port);
        }
    }

    private async Task RequestAsync(Episode episode, HttpClient client, int stream, int length, bool isPost)
    {
        length = isPost ? Math.Min(length, MaxPost) : length;
        _streams[stream] = $"{(isPost ? "POST" : "GET")} of {length}";
        using var request = new HttpRequestMessage(
            isPost ? HttpMethod.Post : HttpMethod.Get, $"?stream={stream}&length={length}")
        {
            Version = episode.Plan.Serving == Serving.Http1 ? HttpVersion.Version11 : HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = isPost ? new ByteArrayContent(Pattern.Create(length, stream)) : null,
        };
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        if (!response.IsSuccessStatusCode)
        {
            episode.Fail($"Stream {stream}: {response}");
            return;
        }

        await using var body = await response.Content.ReadAsStreamAsync();
        var buffer = new byte[16 * 1024];
        var position = 0;
        for (int n; (n = await body.ReadAsync(buffer)) > 0; position += n)
        {
            episode.OnReceived(n);
            _streams[stream] = $"{(isPost ? "POST" : "GET")} received {position + n} of {length}";
            if (Pattern.FirstMismatch(buffer.AsSpan(0, n), stream, position) is var at and >= 0)
            {
                episode.Fail($"A wrong byte at {position + at} of {length}, stream {stream}.");
                return;
            }
        }

        if (position != length)
        {
            episode.Fail($"Stream {stream} ended after {position} of {length} bytes.");
        }

        _streams.TryRemove(stream, out _);
    }
}
