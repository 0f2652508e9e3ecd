using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.IntegrationTests.Server;

/// <summary>
/// The <see cref="TestServer"/> with an endpoint for each protocol, an echo and a Unix socket.
/// Stops when disposed, and fails the test when stopping hangs or the server logged an error.
/// </summary>
internal sealed class ProtocolServer : IAsyncDisposable
{
    private readonly SocketPath _socket = new();
    private readonly Dictionary<string, ListenOptions> _endpoints = [];
    private TestServer? _server;

    public IPEndPoint Http1EndPoint => _endpoints["http1"].IPEndPoint!;

    public IPEndPoint HttpsEndPoint => _endpoints["https"].IPEndPoint!;

    public IPEndPoint Http2EndPoint => _endpoints["h2c"].IPEndPoint!;

    /// <summary>The endpoint of <see cref="Echo"/>.</summary>
    public IPEndPoint EchoEndPoint => _endpoints["echo"].IPEndPoint!;

    public IServiceProvider Services => _server!.Services;

    public string UnixSocketPath => _socket.Path;

    public static async Task<ProtocolServer> StartAsync(
        ApplicationScheduling scheduling,
        int loops,
        Action<WebApplication>? map = null,
        Action<IServiceCollection>? services = null,
        Action<EventLoopTransportOptions>? transport = null)
    {
        var server = new ProtocolServer();
        server._server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            EndPoint = null,
            Kestrel = server.Listen,
            Transport = options =>
            {
                options.EventLoopCount = loops;
                transport?.Invoke(options);
            },
            Services = services,
            Map = app =>
            {
                app.UseWebSockets();
                CommonEndpoints.Map(app);
                map?.Invoke(app);
            },
            Grace = TimeSpan.FromSeconds(20),
            MinimumLevel = LogLevel.Warning,
            Complaints = IsComplaint,

            // Kestrel's own, as in an application.
            Pools = null,
        });
        if (!StockTransport.IsUnderTest)
        {
            StockTransport.AssertNotUsedBy(server._server.Services);
        }

        return server;
    }

    /// <summary>The address under which a client of this protocol reaches the server.</summary>
    public Uri Address(ClientProtocol protocol) => protocol switch
    {
        ClientProtocol.Http1 => new Uri($"http://{Http1EndPoint}"),
        ClientProtocol.Http2PriorKnowledge => new Uri($"http://{Http2EndPoint}"),
        _ => new Uri($"https://{HttpsEndPoint}"),
    };

    public string Url(ClientProtocol protocol, string path) => new Uri(Address(protocol), path).ToString();

    public HttpClient CreateClient(ClientProtocol protocol) => LoopbackHttpClient.Create(Address(protocol), protocol);

    /// <summary>A client whose connections are on the server's loops.</summary>
    public HttpClient CreateLoopClient(ClientProtocol protocol)
        => LoopbackHttpClient.Create(CreateLoopHandler(), Address(protocol), protocol);

    public EventLoopHttpHandler CreateLoopHandler()
        => new(Services.GetRequiredService<EventLoopConnectionFactory>(), LoopbackHttpClient.CreateHandler);

    public Task StopAsync() => _server!.StopAsync();

    public async ValueTask DisposeAsync()
    {
        await _server!.DisposeAsync();
        _socket.Dispose();
    }

    private void Listen(KestrelServerOptions kestrel)
    {
        // haproxy says https to a plain HTTP/2 server when its own client gave no scheme.
        kestrel.AllowAlternateSchemes = true;
        kestrel.Limits.MinRequestBodyDataRate = null;
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.MaxRequestHeadersTotalSize = 64 * 1024;
        Listen("http1", static options => options.Protocols = HttpProtocols.Http1);
        Listen("h2c", static options => options.Protocols = HttpProtocols.Http2);
        Listen("https", static options => options.UseHttps(TestCertificate.Instance));
        Listen("echo", static options => options.Run(Echo.RunAsync));
        kestrel.ListenUnixSocket(_socket.Path);

        void Listen(string name, Action<ListenOptions> configure)
            => kestrel.Listen(IPAddress.Loopback, 0, options =>
            {
                _endpoints[name] = options;
                configure(options);
            });
    }

    // What no test here expects: errors of any category, and warnings of the transport.
    private static bool IsComplaint(LogEntry entry)
        => entry.Level >= (entry.Category.Contains("Transport", StringComparison.Ordinal)
            ? LogLevel.Warning
            : LogLevel.Error);
}
