using System.Net;
using KestrelEventLoopTransport.Benchmarks.Server;

namespace KestrelEventLoopTransport.Benchmarks.Driver;

// One request before the load, its body compared: generators look at status codes only.
internal sealed record ResponseCheck(string Path, byte[] Body, bool Https = false, bool Http2 = false)
{
    public async Task RunAsync(ServerPorts ports, CancellationToken cancellationToken)
    {
        using var handler = new SocketsHttpHandler();
        handler.SslOptions.RemoteCertificateValidationCallback = ServerCertificate.IsOurs;
        using var client = new HttpClient(handler)
        {
            DefaultRequestVersion = Http2 ? HttpVersion.Version20 : HttpVersion.Version11,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Timeout = TimeSpan.FromSeconds(10),
        };
        var origin =
            Https ? $"https://127.0.0.1:{ports.Https}" : $"http://127.0.0.1:{(Http2 ? ports.H2c : ports.Http)}";
        var body = await client.GetByteArrayAsync(new Uri(origin + Path), cancellationToken);
        if (!body.AsSpan().SequenceEqual(Body))
        {
            throw new BenchmarkFailedException(
                $"{Path} answered {body.Length} bytes that are not the expected {Body.Length}");
        }
    }
}
