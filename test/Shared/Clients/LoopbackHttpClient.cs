using System.Net;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// Makes an <see cref="HttpClient"/> that speaks exactly one protocol, without a proxy, and trusts only the test's
/// certificate.
/// </summary>
internal static class LoopbackHttpClient
{
    public static HttpClient Create(Uri address, ClientProtocol protocol) => Create(CreateHandler(), address, protocol);

    public static HttpClient Create(HttpMessageHandler handler, Uri address, ClientProtocol protocol) => new(handler)
    {
        BaseAddress = address,
        DefaultRequestVersion = protocol is ClientProtocol.Http1 or ClientProtocol.Http1OverTls
            ? HttpVersion.Version11
            : HttpVersion.Version20,
        DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <summary>An HTTP/1.1 client whose connections go to a Unix socket.</summary>
    public static HttpClient CreateForUnixSocket(string path)
    {
        var handler = CreateHandler();
        handler.ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        };
        return Create(handler, new Uri("http://localhost"), ClientProtocol.Http1);
    }

    public static SocketsHttpHandler CreateHandler() => new()
    {
        UseProxy = false,
        SslOptions = { RemoteCertificateValidationCallback = TestCertificate.IsTheOne },
    };
}
