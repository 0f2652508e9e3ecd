using System.Net;
using KestrelEventLoopTransport.IntegrationTests.Clients;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.IntegrationTests.Server;

/// <summary>
/// A real Kestrel on loopback with an endpoint for each protocol.
/// Stops when disposed, and fails the test when stopping hangs or the server logged an error.
/// </summary>
internal sealed class ProtocolServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly CapturedLogs _log;
    private readonly DirectoryInfo _directory;
    private readonly Dictionary<string, ListenOptions> _endpoints;

    private ProtocolServer(
        WebApplication app, CapturedLogs log, DirectoryInfo directory, Dictionary<string, ListenOptions> endpoints)
    {
        _app = app;
        _log = log;
        _directory = directory;
        _endpoints = endpoints;
    }

    public IPEndPoint Http1EndPoint => _endpoints["http1"].IPEndPoint!;

    public IPEndPoint Http2EndPoint => _endpoints["h2c"].IPEndPoint!;

    /// <summary>The endpoint of the <see cref="EchoConnectionHandler"/>.</summary>
    public IPEndPoint EchoEndPoint => _endpoints["echo"].IPEndPoint!;

    public string UnixSocketPath => _endpoints["unix"].SocketPath!;

    public static async Task<ProtocolServer> StartAsync(
        ApplicationScheduling scheduling,
        int loops,
        Action<WebApplication>? map = null,
        Action<IServiceCollection>? services = null,
        Action<EventLoopTransportOptions>? transport = null)
    {
        var directory = Directory.CreateTempSubdirectory("kestrel-");
        var endpoints = new Dictionary<string, ListenOptions>();
        var log = new CapturedLogs(IsComplaint);

        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddProvider(log).SetMinimumLevel(LogLevel.Warning);
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(20));
        services?.Invoke(builder.Services);
        builder.WebHost.UseKestrelHttpsConfiguration();
        TransportUnderTest.Use(builder, options =>
        {
            options.Scheduling = scheduling;
            options.EventLoopCount = loops;
            transport?.Invoke(options);
        });
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            // haproxy says https to a plain HTTP/2 server when its own client gave no scheme.
            kestrel.AllowAlternateSchemes = true;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Limits.MaxRequestHeadersTotalSize = 64 * 1024;
            Listen("http1", options => options.Protocols = HttpProtocols.Http1);
            Listen("h2c", options => options.Protocols = HttpProtocols.Http2);
            Listen("https", options => options.UseHttps(TestCertificate.Instance));
            Listen("echo", options => options.UseConnectionHandler<EchoConnectionHandler>());
            kestrel.ListenUnixSocket(
                Path.Combine(directory.FullName, "http.sock"), options => endpoints["unix"] = options);

            void Listen(string name, Action<ListenOptions> configure)
                => kestrel.Listen(IPAddress.Loopback, 0, options =>
                {
                    endpoints[name] = options;
                    configure(options);
                });
        });

        var app = builder.Build();
        app.UseWebSockets();
        CommonEndpoints.Map(app);
        map?.Invoke(app);
        TransportUnderTest.AssertUsedBy(app.Services);
        await app.StartAsync(HangGuard.Token);
        return new ProtocolServer(app, log, directory, endpoints);
    }

    /// <summary>The address under which a client of this protocol reaches the server.</summary>
    public Uri Address(ClientProtocol protocol) => protocol switch
    {
        ClientProtocol.Http1 => new Uri($"http://{_endpoints["http1"].IPEndPoint}"),
        ClientProtocol.Http2PriorKnowledge => new Uri($"http://{_endpoints["h2c"].IPEndPoint}"),
        _ => new Uri($"https://{_endpoints["https"].IPEndPoint}"),
    };

    public string Url(ClientProtocol protocol, string path) => new Uri(Address(protocol), path).ToString();

    public HttpClient CreateClient(ClientProtocol protocol) => LoopbackHttpClient.Create(Address(protocol), protocol);

    public Task StopAsync() => _app.StopAsync(HangGuard.Token);

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(CancellationToken.None).WaitAsync(
            TimeSpan.FromMilliseconds(HangGuard.Milliseconds), CancellationToken.None);
        await _app.DisposeAsync().AsTask().WaitAsync(
            TimeSpan.FromMilliseconds(HangGuard.Milliseconds), CancellationToken.None);
        _directory.Delete(recursive: true);
        _log.AssertEmpty();
    }

    // What nobody should see in these tests: errors of any category, and warnings of the transport.
    private static bool IsComplaint(LogEntry entry)
        => entry.Level >= (entry.Category.Contains("Transport", StringComparison.Ordinal)
            ? LogLevel.Warning
            : LogLevel.Error);
}
