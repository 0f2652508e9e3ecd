using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.IntegrationTests.Recipes;

/// <summary>
/// An application with ASP.NET Core's own defaults, which <see cref="TestServer"/> leaves out, and the configuration
/// of a recipe. It answers /client, /connection, /upload, /healthz, and echoes WebSocket messages at /ws.
/// </summary>
internal sealed class RecipeApp : IAsyncDisposable
{
    private readonly WebApplication _app;

    private RecipeApp(WebApplication app) => _app = app;

    /// <summary>What a handler saw of an upload, as it came.</summary>
    public ConcurrentQueue<string> Uploads { get; } = [];

    // Kestrel warns of a machine that is slow.
    public CapturedLogs Logs { get; } = new(static entry => entry.Level
        > (entry.Category.StartsWith("KestrelEventLoop", StringComparison.Ordinal)
            ? LogLevel.Information
            : LogLevel.Warning));

    public EventLoopTransportMonitor Monitor => _app.Services.GetRequiredService<EventLoopTransportMonitor>();

    public IPEndPoint EndPoint => (IPEndPoint)Monitor.Endpoints[0].EndPoint;

    /// <param name="configuration">Keys and values, or</param>
    /// <param name="json">the text of an <c>appsettings.json</c>.</param>
    /// <param name="usesTls">Whether endpoints with https have the test's certificate.</param>
    public static async Task<RecipeApp> StartAsync(
        string json = "{}", IEnumerable<KeyValuePair<string, string?>>? configuration = null, bool usesTls = false)
    {
        // Without a watch on all directories below the working one.
        var builder = WebApplication.CreateBuilder(["--hostBuilder:reloadConfigOnChange=false"]);
        builder.Configuration.AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json)));
        builder.Configuration.AddInMemoryCollection(configuration ?? []);
        builder.WebHost.UseEventLoopTransport();
        if (usesTls)
        {
            builder.WebHost.ConfigureKestrel(static kestrel => kestrel.ConfigureHttpsDefaults(
                static https => https.ServerCertificate = TestCertificate.Instance));
        }

        builder.Services.AddHealthChecks();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var recipe = new RecipeApp(app);
        app.Services.GetRequiredService<ILoggerFactory>().AddProvider(recipe.Logs);
        recipe.Map(app);
        await app.StartAsync(HangGuard.Token);
        return recipe;
    }

    public Task StopAsync() => _app.StopAsync(HangGuard.Token);

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Logs.AssertEmpty();
    }

    private void Map(WebApplication app)
    {
        app.UseWebSockets();
        app.MapHealthChecks("/healthz");
        app.MapGet("/connection", static (HttpContext context) => context.Connection.Id);
        app.MapGet("/client", static (HttpContext context) => string.Create(
            CultureInfo.InvariantCulture,
            $"{context.Connection.RemoteIpAddress} {context.Request.Scheme} {context.Request.Host}"));
        app.MapPost("/upload", async (HttpContext context) =>
        {
            using var reader = new StreamReader(context.Request.Body);
            while (await reader.ReadLineAsync(HangGuard.Token) is { } line)
            {
                Uploads.Enqueue(line);
            }
        });
        app.Map("/ws", static async (HttpContext context) =>
        {
            using var socket = await context.WebSockets.AcceptWebSocketAsync();
            var buffer = new byte[1024];
            var message = await socket.ReceiveAsync(buffer, HangGuard.Token);
            await socket.SendAsync(buffer.AsMemory(0, message.Count), message.MessageType, true, HangGuard.Token);
            await socket.CloseAsync(System.Net.WebSockets.WebSocketCloseStatus.NormalClosure, null, HangGuard.Token);
        });
    }
}
