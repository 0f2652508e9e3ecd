using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>
/// A real Kestrel with one endpoint. Fails the test if stopping hangs, or an unexpected error was logged.
/// </summary>
internal sealed class Endpoint : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly bool _tls;
    private ListenOptions? _listen;

    private Endpoint(EndpointKind kind, Action<ListenOptions> application, Action<IServiceCollection>? services)
    {
        _tls = kind.IsTls();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddProvider(Log).SetMinimumLevel(LogLevel.Debug);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(30));
        builder.WebHost.UseKestrelHttpsConfiguration();
        services?.Invoke(builder.Services);
        if (kind.IsEventLoop())
        {
            builder.WebHost.UseEventLoopTransport(transport => transport.EventLoopCount = 2);
        }

        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            _listen = listen;
            if (_tls)
            {
                listen.UseHttps(TestCertificate.Instance);
            }

            application(listen);
        }));
        _app = builder.Build();
    }

    /// <summary>What was logged above Debug by the framing, and errors of anybody.</summary>
    public CapturedLogs Log { get; } = new(IsComplaint);

    public IPEndPoint EndPoint => _listen!.IPEndPoint!;

    public IHostApplicationLifetime Lifetime => _app.Services.GetRequiredService<IHostApplicationLifetime>();

    public static Task<Endpoint> StartAsync(
        EndpointKind kind,
        FrameHandler handler,
        FrameHandlerOptions? options = null,
        FrameCodec? codec = null,
        FrameReaderOptions? reading = null,
        TimeProvider? time = null)
        => StartAsync(
            kind,
            listen => listen.UseFrameCodec(codec ?? FrameCodec.Line(100_000), reading).UseFrameHandler(
                handler, options),
            services => services.AddSingleton(time ?? TimeProvider.System));

    public static Task<Endpoint> StartAsync(EndpointKind kind, Func<ConnectionContext, Task> application)
        => StartAsync(kind, listen => listen.UseFrameCodec(FrameCodec.Line(1000)).Run(application));

    public static async Task<Endpoint> StartAsync(
        EndpointKind kind, Action<ListenOptions> application, Action<IServiceCollection>? services = null)
    {
        var endpoint = new Endpoint(kind, application, services);
        await endpoint._app.StartAsync().DefaultTimeout();
        return endpoint;
    }

    public Task<Peer> ConnectAsync(int? receiveBufferSize = null, bool tls = false)
        => Peer.ConnectAsync(EndPoint, tls || _tls, receiveBufferSize).DefaultTimeout();

    public Task StopAsync() => _app.StopAsync().DefaultTimeout();

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _app.DisposeAsync().AsTask().DefaultTimeout();
        Log.AssertEmpty();
    }

    // That handlers keep their loops for long is true where a test keeps all processors busy.
    private static bool IsComplaint(LogEntry entry)
        => entry.EventId.Name != "HandlersBlock"
            && entry.Level >= (entry.Category.StartsWith("KestrelEventLoopTransport", StringComparison.Ordinal)
                ? LogLevel.Information
                : LogLevel.Error);
}
