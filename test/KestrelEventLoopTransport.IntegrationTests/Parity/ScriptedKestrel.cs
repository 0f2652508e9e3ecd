using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.IntegrationTests.Parity;

/// <summary>A Kestrel on either transport, with all that it reports.</summary>
internal sealed class ScriptedKestrel : IAsyncDisposable
{
    private readonly KestrelReports _reports = new();
    private readonly SocketPath _socket = new();
    private readonly Dictionary<string, ListenOptions> _endpoints = [];
    private TestServer? _server;

    /// <summary>Is set when a handler of <c>/wait</c> or <c>/read-until-aborted</c> waits for its client.</summary>
    public TaskCompletionSource Waiting { get; } = Signal.New();

    public KestrelReports Reports => _reports;

    public EndPoint UnixSocket => new UnixDomainSocketEndPoint(_socket.Path);

    public string UnixSocketPath => _socket.Path;

    public static async Task<ScriptedKestrel> StartAsync(
        ApplicationScheduling scheduling, bool stock, Action<KestrelServerOptions>? configure = null)
    {
        var kestrel = new ScriptedKestrel();
        kestrel._server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            UsesStock = stock,
            EndPoint = null,
            Kestrel = options =>
            {
                kestrel.Listen(options);
                configure?.Invoke(options);
            },
            Services = static services => services.AddSignalR(),
            Map = app =>
            {
                // Before the first endpoint is bound.
                kestrel._reports.Start(app.Services);
                kestrel.Map(app);
            },
            Grace = TimeSpan.FromSeconds(20),
            MinimumLevel = LogLevel.Warning,
            Pools = null,
        });
        return kestrel;
    }

    public EndPoint EndPointOf(string name) => _endpoints[name].EndPoint;

    public Uri AddressOf(string name) => new($"{(name == "https" ? "https" : "http")}://{EndPointOf(name)}");

    public HttpClient CreateClient(string name, ClientProtocol protocol)
        => LoopbackHttpClient.Create(AddressOf(name), protocol);

    public Task<RawClient> ConnectAsync(string name) => RawClient.ConnectAsync(EndPointOf(name));

    /// <summary>Waits until Kestrel has done with all connections but some.</summary>
    public Task UntilOpenAsync(int connections)
        => Poll.UntilAsync(() => _reports.OpenConnections == connections);

    public Task StopAsync() => _server!.StopAsync();

    /// <summary>What was reported up to now.</summary>
    public string[] Read()
    {
        var names = _endpoints.ToDictionary(
            static endpoint => endpoint.Value.IPEndPoint!.Port.ToString(CultureInfo.InvariantCulture),
            static endpoint => endpoint.Key);
        names[_socket.Path] = "path";
        return _reports.Read(names);
    }

    public async ValueTask DisposeAsync()
    {
        await _server!.DisposeAsync();
        _reports.Dispose();
        _socket.Dispose();
    }

    private void Listen(KestrelServerOptions kestrel)
    {
        // Port 0 could be the same number as an IPv4 endpoint's, and the number stands for the name.
        var v6Port = FreePort.Next();
        Listen("http1", IPAddress.Loopback, static options => options.Protocols = HttpProtocols.Http1);
        Listen("http1-v6", IPAddress.IPv6Loopback, static options => options.Protocols = HttpProtocols.Http1);
        Listen("h2c", IPAddress.Loopback, static options => options.Protocols = HttpProtocols.Http2);
        Listen("https", IPAddress.Loopback, static options => options.UseHttps(TestCertificate.Instance));
        Listen("echo", IPAddress.Loopback, static options => options.Run(Echo.RunAsync));
        Listen("throws", IPAddress.Loopback, static options => options.Run(
            static _ => throw new InvalidOperationException("Thrown by the test's handler.")));
        kestrel.ListenUnixSocket(_socket.Path);

        void Listen(string name, IPAddress address, Action<ListenOptions> configure)
            => kestrel.Listen(address, address.AddressFamily == AddressFamily.InterNetworkV6 ? v6Port : 0, options =>
            {
                _endpoints[name] = options;
                configure(options);
            });
    }

    private void Map(WebApplication app)
    {
        app.UseWebSockets();
        app.MapGet("/", static () => "ok");
        app.MapPost("/read", static async (HttpContext http) =>
        {
            await http.Request.Body.CopyToAsync(Stream.Null);
            return "read";
        });
        app.MapPost("/read-until-aborted", async (HttpContext http) =>
        {
            var aborted = Signal.New();
            http.RequestAborted.Register(aborted.SetResult);
            await http.Request.Body.ReadExactlyAsync(new byte[1]);
            Waiting.SetResult();

            // Whether the read fails first or the request is aborted first is a race.
            await Assert.ThrowsAnyAsync<Exception>(() => http.Request.Body.CopyToAsync(Stream.Null));
            await aborted.Task;
        });
        app.MapGet("/abort", static (HttpContext http) => http.Abort());
        app.MapGet("/throw", static string () => throw new InvalidOperationException("Thrown by the test's handler."));
        app.MapGet("/wait", async (HttpContext http) =>
        {
            var aborted = Signal.New();
            http.RequestAborted.Register(aborted.SetResult);
            Waiting.SetResult();
            await aborted.Task;
        });
        app.MapGet("/upgrade", static async (HttpContext http) =>
        {
            await using var stream = await http.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync();
            await stream.CopyToAsync(stream);
        });
        app.Map("/websocket", static async (HttpContext http) =>
        {
            using var socket = await http.WebSockets.AcceptWebSocketAsync();
            var result = await socket.ReceiveAsync(new byte[100], CancellationToken.None);
            await socket.CloseAsync(result.CloseStatus!.Value, "", CancellationToken.None);
        });
        app.MapHub<EmptyHub>("/hub");
    }

    private sealed class EmptyHub : Hub;
}
