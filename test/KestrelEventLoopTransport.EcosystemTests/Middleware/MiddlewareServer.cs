using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.EcosystemTests.Middleware;

/// <summary>A server on a transport that speaks one protocol, and a client that speaks it too.</summary>
internal sealed class MiddlewareServer : IAsyncDisposable
{
    private readonly TestServer _server;

    private MiddlewareServer(TestServer server, ClientProtocol protocol)
    {
        _server = server;
        var scheme = server.Settings.UsesTls ? "https" : "http";
        var handler = LoopbackHttpClient.CreateHandler();
        handler.SslOptions.TargetHost = "localhost";
        Client = LoopbackHttpClient.Create(handler, new Uri($"{scheme}://{server.EndPoint}"), protocol);
    }

    public HttpClient Client { get; }

    public CapturedLogs Logs => _server.Logs;

    public static async Task<MiddlewareServer> StartAsync(
        TransportUnderTest transport,
        ClientProtocol protocol,
        Action<WebApplication> map,
        Action<IServiceCollection>? services = null)
        => new(await TestServer.StartAsync(new TestSettings
        {
            UsesStock = transport.IsStock,
            Scheduling = transport.Scheduling,
            UsesTls = protocol is ClientProtocol.Http1OverTls or ClientProtocol.Http2OverTls,
            Protocols = protocol is ClientProtocol.Http1 or ClientProtocol.Http1OverTls
                ? HttpProtocols.Http1
                : HttpProtocols.Http2,
            Map = map,
            Services = services,
        }), protocol);

    /// <summary>Sends a request with headers of its own. It would speak HTTP/1.1 if nothing were said.</summary>
    public Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request, HttpCompletionOption completion = HttpCompletionOption.ResponseContentRead)
    {
        request.Version = Client.DefaultRequestVersion;
        request.VersionPolicy = Client.DefaultVersionPolicy;
        return Client.SendAsync(request, completion).DefaultTimeout();
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _server.DisposeAsync();
    }
}
