using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Torture;

/// <summary>.NET's client with many streams on one connection.</summary>
internal static class Http2Peer
{
    private const int MaxStreams = 12;

    public static async Task RunAsync(Episode episode, EndPoint endPoint, int connection, Random random)
    {
        var ports = new List<int>();
        using var client = new HttpClient(new SocketsHttpHandler
        {
            UseProxy = false,
            ConnectCallback = async (_, cancellation) =>
            {
                var socket = ClientSocket.Create(endPoint, out var port);
                lock (ports)
                {
                    ports.Add(port);
                }

                await socket.ConnectAsync(endPoint, cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
        })
        {
            BaseAddress = new Uri($"http://{endPoint}/"),
            Timeout = Timeout.InfiniteTimeSpan,
        };
        try
        {
            await Task.WhenAll(Enumerable.Range(0, random.Next(1, MaxStreams)).Select(stream => RequestAsync(
                episode,
                client,
                (connection * MaxStreams) + stream,
                random.Next(episode.Plan.MaxTransfer),
                isPost: random.Next(3) == 0)));
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
        {
            bool broken;
            lock (ports)
            {
                broken = ports.Any(FaultyLibc.HasBroken);
            }

            if (!episode.Stopping && !broken)
            {
                episode.Fail($"HTTP/2 connection {connection} from ports {string.Join(", ", ports)}: {exception}");
            }
        }
    }

    private static async Task RequestAsync(Episode episode, HttpClient client, int stream, int length, bool isPost)
    {
        using var request = new HttpRequestMessage(isPost ? HttpMethod.Post : HttpMethod.Get, $"?stream={stream}&length={length}")
        {
            Version = HttpVersion.Version20,
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
    }
}
